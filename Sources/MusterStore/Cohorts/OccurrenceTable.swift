import MusterProtocol

/// Finds the positions of an identifier in a list, by its bytes, without an allocation an identifier.
struct OccurrenceTable: ~Copyable {
    private let list: IdentifierList
    /// Open addressing: the first position of each distinct identifier, or -1.
    private var slots: [Int32]
    /// The next position of the same identifier, or -1.
    private var following: [Int32]

    init(_ list: IdentifierList) {
        self.list = list
        var capacity = 16
        while capacity < list.count * 2 { capacity *= 2 }
        slots = Array(repeating: -1, count: capacity)
        following = Array(repeating: -1, count: list.count)
        for position in list.indices { insert(position) }
    }

    private mutating func insert(_ position: Int) {
        let slot: Int = list.withBytes(at: position) { bytes in self.slot(of: bytes) }
        following[position] = slots[slot]
        slots[slot] = Int32(truncatingIfNeeded: position)
    }

    /// Calls `body` with each position at which `identifier` stands.
    func forEachPosition(of identifier: UnsafeRawBufferPointer, _ body: (Int) -> Void) {
        var position = slots[slot(of: identifier)]
        while position >= 0 {
            body(Int(position))
            position = following[Int(position)]
        }
    }

    /// The slot of an identifier, or the empty one where it would go. Seeded a process, so that nobody can choose identifiers that collide.
    private func slot(of identifier: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: identifier)
        let mask = slots.count - 1
        var slot = hasher.finalize() & mask
        while slots[slot] >= 0 {
            let same: Bool = list.withBytes(at: Int(slots[slot])) { bytes in bytes.elementsEqual(identifier) }
            if same { return slot }
            slot = (slot + 1) & mask
        }
        return slot
    }
}
