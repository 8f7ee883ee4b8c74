import MusterSets
import Postgres

/// Stored data that is not what was written: a checksum, a chain of tags or a size doesn't hold. Never answered over.
public struct DamagedSet: Error, CustomStringConvertible {
    let set: SetKey
    let what: String

    public var description: String { "set \(set.number) of workspace \(set.workspace.rawValue): \(what)" }
}

extension MemberSet {
    /// As it is stored; nil for the empty set, so that a change that only adds stores nothing else.
    var stored: [UInt8]? { isEmpty ? nil : StoredSet.encode(self) }
}

extension Row {
    /// A stored set in `column`, its checksum verified; NULL is the empty set.
    borrowing func members(_ column: Int, of set: SetKey) throws -> MemberSet {
        try withBytes(column) { bytes in
            guard let bytes else { return [] }
            do { return try StoredSet.decode(bytes) } catch { throw DamagedSet(set: set, what: "\(error)") }
        }
    }

    /// A change in four columns from `column`: version, previous tag, tag, and after them added and removed. Nil where
    /// they are NULL.
    borrowing func change(_ column: Int, of set: SetKey, added: Int, removed: Int) throws -> SetChange? {
        guard let version: Int64 = try value(column, as: Int64?.self) else { return nil }
        return SetChange(
            at: SetVersion(version: version, tag: try value(column + 2)), previousTag: try value(column + 1),
            added: try members(added, of: set), removed: try members(removed, of: set))
    }
}
