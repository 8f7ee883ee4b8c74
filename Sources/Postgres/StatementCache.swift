/// The identity of a statement for the server: its text and the types of its values.
struct StatementKey: Hashable {
    let text: [UInt8]
    let types: [UInt32]

    /// Hashes two buffers; element by element would cost more than the rest of the lookup.
    func hash(into hasher: inout Hasher) {
        text.withUnsafeBytes { hasher.combine(bytes: $0) }
        types.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

/// The statements that a connection has prepared, by their identity.
struct StatementCache {
    private struct Entry {
        let name: String
        var lastUse: UInt64
    }
    private var entries: [StatementKey: Entry] = [:]
    private var uses: UInt64 = 0
    private var namesGiven: UInt64 = 0
    private let capacity: Int
    private let owner: String

    /// - Parameter owner: a name that no other connection has, so that a pooler which mixes sessions never runs another
    ///   client's statement.
    init(capacity: Int, owner: String) {
        self.capacity = max(capacity, 8)
        self.owner = owner
    }

    var count: Int { entries.count }

    mutating func name(of key: StatementKey) -> String? {
        guard let index = entries.index(forKey: key) else { return nil }
        uses &+= 1
        entries.values[index].lastUse = uses
        return entries.values[index].name
    }

    /// Never reused, so that a statement which the server still has can't replace another.
    mutating func newName() -> String {
        namesGiven &+= 1
        return "m\(owner)_\(namesGiven)"
    }

    mutating func insert(_ key: StatementKey, name: String) {
        uses &+= 1
        entries[key] = Entry(name: name, lastUse: uses)
    }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// The name of the statement to drop before another is prepared.
    mutating func evict() -> String? {
        guard entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) else {
            return nil
        }
        entries[oldest.key] = nil
        return oldest.value.name
    }
}
