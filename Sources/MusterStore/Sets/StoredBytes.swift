import MusterSets
import Postgres

/// Stored data is corrupt: a checksum, a chain of tags or a size is wrong. No call answers from such data.
public struct DamagedSet: Error, CustomStringConvertible {
    let set: SetKey
    let what: String

    public var description: String { "set \(set.number) of workspace \(set.workspace.rawValue): \(what)" }
}

extension MemberSet {
    /// The stored form; nil for the empty set, so that a change that only adds stores nothing for its removals.
    var stored: [UInt8]? { isEmpty ? nil : StoredSet.encode(self) }
}

extension Row {
    /// Reads a stored set from `column` and verifies its checksum. NULL is the empty set.
    borrowing func members(_ column: Int, of set: SetKey) throws -> MemberSet {
        try withBytes(column) { bytes in
            guard let bytes else { return [] }
            do { return try StoredSet.decode(bytes) } catch { throw DamagedSet(set: set, what: "\(error)") }
        }
    }

    /// Reads a change from three columns at `column` (version, previous tag, tag) and from `added` and `removed`. Nil
    /// if they are NULL.
    borrowing func change(_ column: Int, of set: SetKey, added: Int, removed: Int) throws -> SetChange? {
        guard let version: Int64 = try value(column, as: Int64?.self) else { return nil }
        return SetChange(
            at: SetVersion(version: version, tag: try value(column + 2)), previousTag: try value(column + 1),
            added: try members(added, of: set), removed: try members(removed, of: set))
    }
}
