import MusterProtocol
import MusterSets
import Postgres

/// One row of a look's statement, read on the database's thread; what is expensive to decode is decoded there.
enum LookRow: Sendable {
    case head(number: Int32, at: SetVersion, change: SetChange?, hasDeprecatedIDs: Bool)
    case cohort(position: Int, number: Int32, at: SetVersion, change: SetChange?)
    case definition(position: Int, version: Int64, filter: Filter?)
    case segment(id: Identifier, version: Int64, name: String)
    case user(place: Int, FoundUser)
    case scan(position: Int, matches: [(filter: AttributeFilter, numbers: [UInt32])])
    /// Up to 2^13 users whose attributes changed, and those of them who pass each test.
    case advance(position: Int, changed: [UInt32], matches: [(filter: AttributeFilter, numbers: [UInt32])])
    /// Up to 2^13 users of a leaf's set, and when the earliest event that counts was, of all users in their range.
    case eventScan(position: Int, numbers: [UInt32], earliest: Instant)
    case eventsOfUser(place: Int, position: Int)

    init(_ row: borrowing Row, of statement: LookStatement) throws {
        let position = Int(try row.value(1, as: Int64.self))
        switch LookStatement.Part(rawValue: try row.value(0)) {
        case .head: self = try Self.head(row, hasDeprecatedIDs: position > 0, workspace: statement.workspace)
        case .cohort: self = try Self.cohort(row, position: position - 1, workspace: statement.workspace)
        case .definition: self = try Self.definition(row, position: position - 1)
        case .user:
            let attributes: JSONB? = try row.value(11)
            self = .user(
                place: position,
                FoundUser(number: UInt32(clamping: try row.value(2, as: Int64.self)), attributes: attributes?.bytes))
        case .scan:
            let name = statement.scannedNames[position - 1]
            self = .scan(
                position: position, matches: try Self.scan(row, for: statement.scans.filter { $0.name == name }).matches
            )
        case .advance:
            let scanned = try Self.scan(row, for: Array(statement.advances[position - 1].known.keys))
            self = .advance(
                position: position - 1, changed: scanned.numbers.map { UInt32(clamping: $0) }, matches: scanned.matches)
        case .eventScan:
            let numbers: [Int32] = try row.withBytes(8) { bytes in try bytes.map([Int32].decodeArrayBytes) ?? [] }
            self = .eventScan(
                position: position, numbers: numbers.map { UInt32(clamping: $0) },
                earliest: Instant(microseconds: try row.value(2)))
        case .eventsOfUser: self = .eventsOfUser(place: position, position: Int(try row.value(2, as: Int64.self)))
        case nil: throw PostgresError(.decoding, "a look's row is of no known part")
        }
    }

    private static func head(
        _ row: borrowing Row, hasDeprecatedIDs: Bool, workspace: WorkspaceID
    ) throws -> LookRow {
        let number = Int32(clamping: try row.value(2, as: Int64.self))
        return .head(
            number: number, at: try version(row),
            change: try row.change(5, of: SetKey(workspace: workspace, number: number), added: 8, removed: 9),
            hasDeprecatedIDs: hasDeprecatedIDs)
    }

    private static func cohort(_ row: borrowing Row, position: Int, workspace: WorkspaceID) throws -> LookRow {
        let number = Int32(clamping: try row.value(2, as: Int64.self))
        return .cohort(
            position: position, number: number, at: try version(row),
            change: try row.change(5, of: SetKey(workspace: workspace, number: number), added: 8, removed: 9))
    }

    private static func definition(_ row: borrowing Row, position: Int) throws -> LookRow {
        let version: Int64 = try row.value(2)
        guard position < 0 else {
            let filter: JSONB? = try row.value(11)
            return .definition(
                position: position, version: version, filter: try filter.map { try JSONDecoding.decode(from: $0.bytes) }
            )
        }
        return .segment(
            id: Identifier(bytes: try row.value(8, as: [UInt8].self)), version: version, name: try row.value(10))
    }

    private static func version(_ row: borrowing Row) throws -> SetVersion {
        SetVersion(version: try row.value(3), tag: try row.value(4))
    }

    /// A row holds the numbers of up to 2^13 users and, in the same order, their values.
    private static func scan(
        _ row: borrowing Row, for filters: [AttributeFilter]
    ) throws -> (numbers: [Int32], matches: [(filter: AttributeFilter, numbers: [UInt32])]) {
        let numbers: [Int32] = try row.withBytes(8) { bytes in try bytes.map([Int32].decodeArrayBytes) ?? [] }
        guard !numbers.isEmpty else { return ([], filters.map { ($0, []) }) }
        let values: JSONB = try row.value(11)
        let matches = try values.bytes.withUnsafeBytes { bytes in
            try AttributeTest.readers.read(bytes) { document in
                let elements = try document.field("v")?.elements()
                return try filters.map { filter in
                    (filter: filter, numbers: try matching(AttributeTest(filter), elements, numbers))
                }
            }
        }
        return (numbers, matches)
    }

    private static func matching(
        _ test: AttributeTest, _ values: JSONElements?, _ numbers: [Int32]
    ) throws -> [UInt32] {
        guard let values else { return [] }
        var matching: [UInt32] = []
        for (number, value) in zip(numbers, values) where test.matches(value) {
            matching.append(UInt32(clamping: number))
        }
        return matching
    }
}

extension [Int32] {
    /// An array as `array_send` wrote it.
    static func decodeArrayBytes(_ bytes: UnsafeRawBufferPointer) throws -> [Int32] { try [Int32](postgres: bytes) }
}
