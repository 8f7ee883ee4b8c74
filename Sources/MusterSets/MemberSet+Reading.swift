extension MemberSet: Sequence {
    /// Iterates over the numbers in ascending order.
    public struct Iterator: IteratorProtocol {
        private let set: MemberSet
        private var containerIndex = 0
        private var list: [UInt16] = []
        private var words: [UInt64] = []
        private var index = 0
        private var rest: UInt64 = 0

        init(_ set: MemberSet) {
            self.set = set
            open()
        }

        /// The next number; nil after the last one.
        public mutating func next() -> UInt32? {
            while containerIndex < set.keys.count {
                if let value = nextValue() { return UInt32(set.keys[containerIndex]) << 16 | UInt32(value) }
                containerIndex += 1
                open()
            }
            return nil
        }

        private mutating func open() {
            (list, words, index) = ([], [], 0)
            if containerIndex == set.keys.count { return }
            switch set.containers[containerIndex] {
            case .array(let values): list = values
            case .bitset(let bits, _): (words, rest) = (bits, bits[0])
            }
        }

        private mutating func nextValue() -> UInt16? {
            if words.isEmpty {
                guard index < list.count else { return nil }
                index += 1
                return list[index - 1]
            }
            while rest == 0 {
                index += 1
                guard index < words.count else { return nil }
                rest = words[index]
            }
            let bit = rest.trailingZeroBitCount
            rest &= rest - 1
            return UInt16(index << 6 + bit)
        }
    }

    /// Iterates over the numbers in ascending order.
    public func makeIterator() -> Iterator { Iterator(self) }

    /// The number of elements, so that an array of them is allocated once.
    public var underestimatedCount: Int { count }

    /// Returns a page: at most `limit` numbers in ascending order, from the first one after `number`, or from the
    /// lowest.
    public func members(after number: UInt32?, limit: Int) -> [UInt32] {
        guard limit > 0, number != .max else { return [] }
        let first = number.map { $0 + 1 } ?? 0
        var page: [UInt32] = []
        page.reserveCapacity(Swift.min(limit, count))
        var containerIndex = index(of: UInt16(first >> 16)).index
        while containerIndex < keys.count, page.count < limit {
            containers[containerIndex].withView {
                $0.append(to: &page, key: keys[containerIndex], from: first, limit: limit)
            }
            containerIndex += 1
        }
        return page
    }
}

extension ContainerView {
    /// Calls `body` with each value from `low` on, ascending, until it returns false.
    func forEach(from low: UInt16, _ body: (UInt16) -> Bool) {
        switch self {
        case .array(let values):
            for index in ArrayContainer.lowerBound(of: low, in: values)..<values.count {
                if !body(values[index]) { return }
            }
        case .bitset(let words):
            var index = Int(low >> 6)
            var rest = words[index] & (.max << UInt64(low & 63))
            while true {
                while rest != 0 {
                    if !body(UInt16(index << 6 + rest.trailingZeroBitCount)) { return }
                    rest &= rest - 1
                }
                index += 1
                if index == Container.wordCount { return }
                rest = words[index]
            }
        }
    }

    /// Calls `body` with the first and last value of each run of consecutive values.
    func forEachRun(_ body: (UInt16, UInt16) -> Void) {
        switch self {
        case .array(let values): ArrayContainer.forEachRun(values, body)
        case .bitset(let words): Bitset.forEachRun(words, body)
        }
    }

    /// Appends the numbers of the container of `key` that are at least `first`, up to `limit` in total.
    func append(to page: inout [UInt32], key: UInt16, from first: UInt32, limit: Int) {
        let high = UInt32(key) << 16
        if page.count >= limit || first > high | 0xFFFF { return }
        forEach(from: UInt16(truncatingIfNeeded: Swift.max(first, high))) { value in
            page.append(high | UInt32(value))
            return page.count < limit
        }
    }
}
