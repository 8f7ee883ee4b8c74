extension MemberSet: ExpressibleByArrayLiteral {
    /// The set of these numbers.
    public init(arrayLiteral numbers: UInt32...) { self.init(numbers) }

    /// Builds a set from numbers in any order, with repeats. Takes about 3 ns per number when they are dense, up to 40
    /// ns when they are sparse.
    ///
    /// A counting sort instead of a full sort: count per container, distribute, build each container from its part.
    public init(_ numbers: some Sequence<UInt32>) {
        let numbers = (numbers as? [UInt32]) ?? Array(numbers)
        guard let low = numbers.min(), let high = numbers.max() else { return }
        let containerCount = Int(high >> 16 - low >> 16) + 1
        if containerCount <= 2 * numbers.count {
            deal(numbers, lowest: low >> 16, containerCount: containerCount)
        } else {
            // Few numbers over many containers: the table of counts would dominate the cost.
            collect(numbers.sorted())
        }
    }

    private mutating func deal(_ numbers: [UInt32], lowest: UInt32, containerCount: Int) {
        var ends = [Int](repeating: 0, count: containerCount + 1)
        for number in numbers { ends[Int(number >> 16 - lowest) + 1] += 1 }
        for index in 1...containerCount { ends[index] += ends[index - 1] }
        // Now ends[b] is the start of container b; each value that is placed advances it towards the start of b + 1.
        let values = [UInt16](unsafeUninitializedCapacity: numbers.count) { buffer, count in
            for number in numbers {
                let container = Int(number >> 16 - lowest)
                buffer[ends[container]] = UInt16(truncatingIfNeeded: number)
                ends[container] += 1
            }
            count = numbers.count  // The counts add up to the total, so each position is written once.
        }
        var start = 0
        for (container, end) in ends.dropLast().enumerated() {
            if start < end { append(Container(values[start..<end]), key: UInt16(Int(lowest) + container)) }
            start = end
        }
    }

    private mutating func collect(_ sorted: [UInt32]) {
        var start = 0
        for end in 1...sorted.count where end == sorted.count || sorted[end] >> 16 != sorted[start] >> 16 {
            let values = sorted[start..<end].map { UInt16(truncatingIfNeeded: $0) }
            append(Container(values[...]), key: UInt16(sorted[start] >> 16))
            start = end
        }
    }
}

extension Container {
    /// Builds a container from at least one value, in any order, with repeats.
    init(_ values: ArraySlice<UInt16>) {
        let isShort = values.count <= Self.arrayLimit
        if isShort, values.indices.dropFirst().allSatisfy({ values[$0 - 1] < values[$0] }) {
            self = .array(Array(values))
        } else if values.count <= 64 {
            // Sorting few values is faster than scanning 1,024 words for them.
            let sorted = values.sorted()
            self = .array([sorted[0]] + zip(sorted, sorted.dropFirst()).compactMap { $0 == $1 ? nil : $1 })
        } else {
            self = .spread(values)
        }
    }

    /// Sorts by setting bits of a bitset.
    private static func spread(_ values: ArraySlice<UInt16>) -> Container {
        values.withUnsafeBufferPointer { values in
            Scratch.with { scratch in
                Bitset.clear(scratch.words)
                let count = Bitset.insert(values, into: scratch.words)
                return Container(copying: scratch.words, count: count) ?? .none
            }
        }
    }
}
