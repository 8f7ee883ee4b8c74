/// Loops over bitsets of 1,024 words. The caller guarantees that each pointer refers to 1,024 words; values below 2^16
/// then stay in bounds.
enum Bitset {
    typealias Source = UnsafePointer<UInt64>
    typealias Target = UnsafeMutablePointer<UInt64>

    static func clear(_ target: Target) { target.update(repeating: 0, count: Container.wordCount) }

    static func copy(_ source: Source, into target: Target) { target.update(from: source, count: Container.wordCount) }

    static func unite(_ left: Source, _ right: Source, into target: Target) {
        for index in 0..<Container.wordCount { target[index] = left[index] | right[index] }
    }

    static func intersect(_ left: Source, _ right: Source, into target: Target) {
        for index in 0..<Container.wordCount { target[index] = left[index] & right[index] }
    }

    static func subtract(_ left: Source, _ right: Source, into target: Target) {
        for index in 0..<Container.wordCount { target[index] = left[index] & ~right[index] }
    }

    static func count(_ words: Source) -> Int {
        var count = 0
        for index in 0..<Container.wordCount { count &+= words[index].nonzeroBitCount }
        return count
    }

    static func countOfIntersection(_ left: Source, _ right: Source) -> Int {
        var count = 0
        for index in 0..<Container.wordCount { count &+= (left[index] & right[index]).nonzeroBitCount }
        return count
    }

    /// Counts the runs of consecutive values: bits whose lower neighbour is not set.
    static func countRuns(_ words: Source) -> Int {
        var runs = (words[0] & ~(words[0] << 1)).nonzeroBitCount
        for index in 1..<Container.wordCount {
            runs &+= (words[index] & ~(words[index] << 1 | words[index - 1] >> 63)).nonzeroBitCount
        }
        return runs
    }

    /// Calls `body` with the first and last value of each run.
    static func forEachRun(_ words: Source, _ body: (UInt16, UInt16) -> Void) {
        var first = nextBit(of: 1, from: 0, in: words)
        while first < Container.fullCount {
            let end = nextBit(of: 0, from: first, in: words)
            body(UInt16(first), UInt16(end - 1))
            first = nextBit(of: 1, from: end, in: words)
        }
    }

    /// The position of the next bit with this value at or after `start`; 65,536 if there is none.
    private static func nextBit(of bit: Int, from start: Int, in words: Source) -> Int {
        if start == Container.fullCount { return start }
        let flip: UInt64 = bit == 1 ? 0 : .max
        var index = start >> 6
        var rest = (words[index] ^ flip) & (.max << UInt64(start & 63))
        while rest == 0 {
            index += 1
            if index == Container.wordCount { return Container.fullCount }
            rest = words[index] ^ flip
        }
        return index << 6 + rest.trailingZeroBitCount
    }

    @inline(__always)
    static func bit(_ value: UInt16, of words: Source) -> UInt64 {
        words[Int(value >> 6)] >> UInt64(value & 63) & 1
    }

    /// Returns 1 when the value is new, else 0.
    @inline(__always)
    static func insert(_ value: UInt16, into words: Target) -> Int {
        let old = words[Int(value >> 6)]
        words[Int(value >> 6)] = old | 1 << UInt64(value & 63)
        return 1 - Int(old >> UInt64(value & 63) & 1)
    }

    /// Returns 1 when the value was present, else 0.
    @inline(__always)
    static func remove(_ value: UInt16, from words: Target) -> Int {
        let old = words[Int(value >> 6)]
        words[Int(value >> 6)] = old & ~(1 << UInt64(value & 63))
        return Int(old >> UInt64(value & 63) & 1)
    }

    /// Returns how many values are new.
    static func insert(_ values: UnsafeBufferPointer<UInt16>, into words: Target) -> Int {
        var added = 0
        for value in values { added &+= insert(value, into: words) }
        return added
    }

    /// Returns how many values were present.
    static func remove(_ values: UnsafeBufferPointer<UInt16>, from words: Target) -> Int {
        var removed = 0
        for value in values { removed &+= remove(value, from: words) }
        return removed
    }

    /// Inserts without counting, which is faster.
    static func mark(_ values: UnsafeBufferPointer<UInt16>, in words: Target) {
        for value in values { words[Int(value >> 6)] |= 1 << UInt64(value & 63) }
    }

    /// Removes without counting, which is faster.
    static func unmark(_ values: UnsafeBufferPointer<UInt16>, in words: Target) {
        for value in values { words[Int(value >> 6)] &= ~(1 << UInt64(value & 63)) }
    }

    /// Writes the values in ascending order and returns their number; `list` must have room for them.
    static func array(_ words: Source, into list: UnsafeMutablePointer<UInt16>) -> Int {
        var count = 0
        for index in 0..<Container.wordCount {
            var rest = words[index]
            while rest != 0 {
                list[count] = UInt16(truncatingIfNeeded: index &<< 6 &+ rest.trailingZeroBitCount)
                count &+= 1
                rest &= rest &- 1
            }
        }
        return count
    }
}
