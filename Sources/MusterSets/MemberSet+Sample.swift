extension MemberSet {
    /// Draws `count` members at random, ascending; all members when there are no more. Each set of so many members is
    /// equally likely.
    ///
    /// The same set and seed give the same members on every machine and in every version: who keeps a seed expects
    /// that. So neither the generator nor the way from its numbers to ranks may change.
    public func sample(_ count: Int, seed: UInt64) -> [UInt32] {
        members(atRanks: SampleRanks.draw(count, of: self.count, seed: seed))
    }

    /// The members at these ranks, which ascend; the lowest member has rank 0. Ranks beyond the last member find
    /// nothing.
    public func members(atRanks ranks: [Int]) -> [UInt32] {
        var members: [UInt32] = []
        members.reserveCapacity(ranks.count)
        var ranks = ranks[...]
        var start = 0
        for (key, container) in zip(keys, containers) {
            let end = start + container.count
            let inside = ranks.prefix { $0 < end }
            if !inside.isEmpty {
                container.withView { $0.append(ranks: inside, from: start, to: &members, key: key) }
                ranks = ranks.dropFirst(inside.count)
            }
            if ranks.isEmpty { break }
            start = end
        }
        return members
    }
}

extension ContainerView {
    /// Appends the numbers at these ranks; the lowest one of the container has the rank `start`.
    fileprivate func append(ranks: ArraySlice<Int>, from start: Int, to members: inout [UInt32], key: UInt16) {
        let high = UInt32(key) << 16
        switch self {
        case .array(let values):
            for rank in ranks { members.append(high | UInt32(values[rank - start])) }
        case .bitset(let words):
            var index = 0
            var rest = words[0]
            var next = start
            for rank in ranks {
                while next + rest.nonzeroBitCount <= rank {
                    next += rest.nonzeroBitCount
                    index += 1
                    rest = words[index]
                }
                while next < rank {
                    rest &= rest - 1
                    next += 1
                }
                members.append(high | UInt32(index << 6 + rest.trailingZeroBitCount))
            }
        }
    }
}

/// Draws ranks without replacement by Floyd's algorithm: for each `last` from `size - count` to `size - 1` a number from
/// 0 to `last`, or `last` itself where that number has been drawn.
enum SampleRanks {
    /// The ranks ascend, and all are below `size`.
    static func draw(_ count: Int, of size: Int, seed: UInt64) -> [Int] {
        guard count < size else { return Array(0..<size) }
        guard count > 0 else { return [] }
        var generator = SplitMix64(seed: seed)
        var drawn: Set<Int> = []
        for last in size - count..<size {
            let rank = Int(generator.next(below: UInt64(last) + 1))
            drawn.insert(drawn.contains(rank) ? last : rank)
        }
        return drawn.sorted()
    }
}

/// SplitMix64, by Sebastiano Vigna (https://prng.di.unimi.it/splitmix64.c).
struct SplitMix64 {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 on, below `bound`, each equally likely: the high half of a product, without the products that
    /// would favour some (Lemire, https://arxiv.org/abs/1805.10941).
    mutating func next(below bound: UInt64) -> UInt64 {
        let surplus = (0 &- bound) % bound
        while true {
            let product = next().multipliedFullWidth(by: bound)
            if product.low >= surplus { return product.high }
        }
    }
}
