/// A large set is stored in chunks of 2^20 numbers, so that a snapshot rewrites only the chunks that changed. Chunk k
/// holds the numbers from k · 2^20 to (k + 1) · 2^20 - 1, unshifted. There are 4,096 chunks of up to 16 containers
/// each.
extension MemberSet {
    /// The chunk of a number.
    public static func chunk(of number: UInt32) -> Int { Int(number >> 20) }

    /// The chunks that have members, ascending.
    public var chunks: [Int] {
        var chunks: [Int] = []
        for key in keys where chunks.last != Int(key >> 4) { chunks.append(Int(key >> 4)) }
        return chunks
    }

    /// The members in one chunk, unshifted; containers are shared, not copied.
    public func members(inChunk chunk: Int) -> MemberSet {
        guard (0..<4096).contains(chunk) else { return MemberSet() }
        var result = MemberSet()
        var index = index(of: UInt16(chunk << 4)).index
        while index < keys.count, Int(keys[index] >> 4) == chunk {
            result.append(containers[index], key: keys[index])
            index += 1
        }
        return result
    }

    /// The chunks in which this set and the other differ, ascending. Fast for a set and a changed copy of it: shared
    /// containers are not read.
    public func chunks(differingFrom other: MemberSet) -> [Int] {
        var chunks = Set<Int>()
        for (key, container) in zip(keys, containers) where other.container(of: key) != container {
            chunks.insert(Int(key >> 4))
        }
        for key in other.keys where !index(of: key).isFound { chunks.insert(Int(key >> 4)) }
        return chunks.sorted()
    }

    /// The union of these sets; for chunks in ascending order, containers are shared, not copied.
    public init(merging sets: some Sequence<MemberSet>) {
        for set in sets {
            if let last = keys.last, let first = set.keys.first, first <= last {
                formUnion(set)
            } else {
                keys += set.keys
                containers += set.containers
                count += set.count
            }
        }
    }
}
