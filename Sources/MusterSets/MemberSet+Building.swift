extension MemberSet: ExpressibleByArrayLiteral {
    /// The set of these numbers.
    public init(arrayLiteral numbers: UInt32...) { self.init(numbers) }

    /// The set of these numbers, in any order, repeats allowed.
    ///
    /// Ascending numbers are the quickest; others are sorted by distribution into blocks, in time that grows with their number only.
    public init(_ numbers: some Sequence<UInt32>) {
        let numbers = (numbers as? [UInt32]) ?? Array(numbers)
        if zip(numbers, numbers.dropFirst()).allSatisfy({ $0 <= $1 }) {
            self.init(ascending: numbers)
        } else {
            self.init(shuffled: numbers)
        }
    }

    private init(ascending numbers: [UInt32]) {
        var values: [UInt16] = []
        var next = 0
        while next < numbers.count {
            let key = numbers[next] >> 16
            values.removeAll(keepingCapacity: true)
            while next < numbers.count, numbers[next] >> 16 == key {
                let value = UInt16(truncatingIfNeeded: numbers[next])
                if values.last != value { values.append(value) }
                next += 1
            }
            append(Block(ascending: values), key: UInt16(key))
        }
    }

    /// Counts the numbers of each block, lays them out block after block, and builds each from its part.
    private init(shuffled numbers: [UInt32]) {
        let keys = numbers.reduce((low: UInt32.max, high: 0)) { (Swift.min($0.low, $1), Swift.max($0.high, $1)) }
        let low = keys.low >> 16
        let blockCount = Int(keys.high >> 16 - low) + 1
        // Few numbers over many blocks: the table of counts would be the larger part of the work.
        guard blockCount <= 2 * numbers.count else {
            self.init(ascending: numbers.sorted())
            return
        }
        self.init()
        var ends = [Int](repeating: 0, count: blockCount + 1)
        for number in numbers { ends[Int(number >> 16 - low) + 1] += 1 }
        for index in 1...blockCount { ends[index] += ends[index - 1] }
        // Now ends[b] is where block b begins; each value that is laid down moves it towards where b + 1 begins.
        let values = [UInt16](unsafeUninitializedCapacity: numbers.count) { buffer, count in
            for number in numbers {
                let block = Int(number >> 16 - low)
                buffer[ends[block]] = UInt16(truncatingIfNeeded: number)
                ends[block] += 1
            }
            count = numbers.count  // The counts of the blocks add up to it, so each place was written once.
        }
        for block in 0..<blockCount {
            let start = block == 0 ? 0 : ends[block - 1]
            if start == ends[block] { continue }
            append(Block(shuffled: values[start..<ends[block]]), key: UInt16(Int(low) + block))
        }
    }
}

extension Block {
    /// The block of at least one value, ascending and different.
    init(ascending values: [UInt16]) {
        self = values.count > Self.listLimit ? .words(of: values) : .list(Array(values))
    }

    /// The block of at least one value, in any order.
    init(shuffled values: ArraySlice<UInt16>) {
        // A few values are sorted sooner than 1,024 words are searched for them.
        if values.count <= 64 {
            let sorted = values.sorted()
            self = .list([sorted[0]] + zip(sorted, sorted.dropFirst()).compactMap { $0 == $1 ? nil : $1 })
            return
        }
        let block = values.withUnsafeBufferPointer { values in
            Scratch.with { scratch in
                Words.clear(scratch.words)
                let count = Words.insert(values, into: scratch.words)
                return Block(copying: scratch.words, count: count)
            }
        }
        self = block ?? .none
    }
}
