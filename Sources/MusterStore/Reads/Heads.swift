import MusterSets
import Postgres

/// The versions of heads of one workspace, all of one moment.
struct Heads: Sendable {
    private var versions: [Int32: SetVersion] = [:]

    init(_ rows: [HeadRow]) {
        versions.reserveCapacity(rows.count)
        for row in rows { versions[row.number] = row.at }
    }

    /// Nil: there is no such set, or it was not asked for.
    subscript(number: Int32) -> SetVersion? { versions[number] }

    /// Those of `other` are of the same moment.
    mutating func merge(_ other: [HeadRow]) { for row in other { versions[row.number] = row.at } }

    /// Heads that any answer may depend on, beside those of cohorts.
    static let common = [SetKey.everyone, SetKey.attributes, SetKey.events, SetKey.definitions, SetKey.identifiers]
}

/// One row of `set_head`.
struct HeadRow: Sendable {
    let number: Int32
    let at: SetVersion

    private enum Column: Int { case number, version, tag }

    init(_ row: borrowing Row) throws {
        number = try row.value(Column.number)
        at = SetVersion(version: try row.value(Column.version), tag: try row.value(Column.tag))
    }

    /// The proof that memory is current: one small statement with a stable text, whatever is asked.
    static func statement(_ numbers: [Int32], in workspace: WorkspaceID) -> SQL {
        """
        SELECT set_number, version, tag FROM set_head
        WHERE workspace_id = \(workspace) AND set_number = ANY (\(numbers))
        """
    }
}

extension WorkspaceTransaction {
    borrowing func heads(_ numbers: [Int32]) throws -> [HeadRow] {
        try query(HeadRow.statement(numbers, in: workspace)) { row in try HeadRow(row) }
    }
}

extension Row {
    /// The value of a column by its name in an enumeration of the statement's columns.
    borrowing func value<T: PostgresDecodable, Column: RawRepresentable>(
        _ column: Column, as type: T.Type = T.self
    ) throws -> T where Column.RawValue == Int {
        try value(column.rawValue)
    }
}
