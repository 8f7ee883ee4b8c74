import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// A user's data for an export, before it is converted to Braze's form.
struct UserRecord {
    let number: UserNumber
    let brazeID: Identifier
    let identifiers: Member
    let attributes: Attributes
    let createdAt: Instant
    /// A summary of the user's events and purchases.
    let summaries: EventSummaries?
}

extension WorkspaceTransaction {
    /// The users with these numbers, in the form of exports.
    borrowing func exportedUsers(_ numbers: [UserNumber], _ shape: ExportShape) throws -> [UserNumber: ExportedUser] {
        guard !numbers.isEmpty else { return [:] }
        let identifiers = try identifiers(of: numbers, all: true)
        let summaries = try shape.wantsSummaries ? eventSummaries(of: numbers) : [:]
        var users: [UserNumber: ExportedUser] = [:]
        users.reserveCapacity(numbers.count)
        try forEach(
            """
            SELECT user_number, braze_id, attributes, created_at FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            """
        ) { row in
            let number: UserNumber = try row.value(0)
            guard let own = identifiers[number] else { return }
            let record = UserRecord(
                number: number, brazeID: try row.value(1), identifiers: own,
                attributes: try Attributes(stored: try row.value(2, as: JSONB.self).bytes), createdAt: try row.value(3),
                summaries: summaries[number])
            users[number] = try ExportedUser(record, shape, in: workspace)
        }
        return users
    }
}

extension ExportedUser {
    /// Attributes that Braze knows by name; all others are custom attributes.
    static let profile = [
        "first_name", "last_name", "email", "dob", "country", "home_city", "language", "gender", "phone", "time_zone",
        "email_subscribe", "push_subscribe",
    ].map { Array($0.utf8) }

    init(_ user: UserRecord, _ shape: ExportShape, in workspace: WorkspaceID) throws {
        self.init(fields: [:])
        var writer = FieldWriter(shape)
        writer.add("external_id", user.identifiers.externalID.map { .string($0.bytes) })
        writer.add("user_aliases", try AttributeValue(nonEmpty: user.identifiers.aliases))
        writer.add("braze_id", .string(user.brazeID.bytes))
        writer.add("random_bucket", .integer(randomBucket(of: user.number, in: workspace)))
        writer.add("created_at", .string(Array(user.createdAt.iso8601.utf8)))
        writer.add("devices", try AttributeValue(nonEmpty: user.identifiers.deviceIDs?.map(ExportedDevice.init)))
        writer.add(user.attributes.entries.filter { Self.profile.contains($0.name) })
        let custom = user.attributes.entries.filter { !Self.profile.contains($0.name) && shape.wants($0) }
        if !custom.isEmpty { writer.add("custom_attributes", .other(try RawJSON(encoding: Attributes(custom)))) }
        if let summaries = user.summaries { try writer.add(summaries) }
        fields = Attributes(writer.entries)
    }
}

/// Collects the requested fields that are not empty.
private struct FieldWriter {
    private let wanted: Set<[UInt8]>?
    private(set) var entries: [Attributes.Entry] = []

    init(_ shape: ExportShape) { wanted = shape.fields.map { Set($0.map(\.bytes)) } }

    mutating func add(_ name: String, _ value: AttributeValue?) {
        guard let value else { return }
        add([.init(name: Array(name.utf8), value: value)])
    }

    mutating func add(_ summaries: EventSummaries) throws {
        add("custom_events", try AttributeValue(nonEmpty: summaries.events.map(ExportedSummary.init)))
        add("purchases", try AttributeValue(nonEmpty: summaries.purchases.map(ExportedSummary.init)))
        guard !summaries.purchases.isEmpty else { return }
        add("total_revenue", .number(summaries.totalRevenue.units))
    }

    mutating func add(_ more: [Attributes.Entry]) {
        entries += more.filter { wanted?.contains($0.name) ?? true }
    }
}

private struct ExportedDevice: Encodable {
    let id: Identifier

    init(_ id: Identifier) { self.id = id }

    enum CodingKeys: String, CodingKey { case id = "device_id" }
}

/// A summary in the form of Braze's exports.
private struct ExportedSummary: Encodable {
    let name: Identifier
    let first: Instant
    let last: Instant
    let count: Int

    init(_ summary: EventSummary) {
        (name, first, last, count) = (summary.name, summary.first, summary.last, summary.count)
    }
}

extension ExportShape {
    /// Whether any requested field needs the user's events.
    fileprivate var wantsSummaries: Bool {
        fields?.contains { ["custom_events", "purchases", "total_revenue"].contains($0) } ?? true
    }

    fileprivate func wants(_ custom: Attributes.Entry) -> Bool {
        customAttributes?.contains { $0.bytes == custom.name } ?? true
    }
}

extension AttributeValue {
    /// Nil for an empty list.
    fileprivate init?(nonEmpty list: [some Encodable]?) throws {
        guard let list, !list.isEmpty else { return nil }
        self = .other(try RawJSON(encoding: list))
    }
}

/// A number from 0 to 9,999, fixed for each user number and evenly distributed (SplitMix64's finalizer over both
/// numbers).
func randomBucket(of number: UserNumber, in workspace: WorkspaceID) -> Int64 {
    var mixed = UInt64(UInt32(bitPattern: workspace.rawValue)) << 32 | UInt64(number.rawValue)
    mixed &+= 0x9E37_79B9_7F4A_7C15
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int64((mixed ^ (mixed >> 31)) % 10_000)
}
