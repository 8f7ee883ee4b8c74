/// Loops over ascending arrays of distinct values. Where a loop writes an array, the caller provides room for the
/// longest possible result: the length of the left array, or for a union the sum of both.
enum ArrayContainer {
    typealias Source = UnsafeBufferPointer<UInt16>
    typealias Target = UnsafeMutablePointer<UInt16>

    /// The index of the first value that is at least `value`.
    static func lowerBound(of value: UInt16, in list: Source) -> Int {
        var low = 0
        var length = list.count
        // The half is chosen without a branch: a branch would be mispredicted half of the time.
        while length > 1 {
            let half = length / 2
            low &+= list[low &+ half &- 1] < value ? half : 0
            length &-= half
        }
        return low + (length == 1 && list[low] < value ? 1 : 0)
    }

    /// Keeps the values that are in a much longer array.
    static func search(_ list: Source, in long: Source, into target: Target) -> Int {
        var count = 0
        for value in list {
            let index = lowerBound(of: value, in: long)
            guard index < long.count else { break }
            target[count] = value
            count &+= long[index] == value ? 1 : 0
        }
        return count
    }

    static func unite(_ left: Source, _ right: Source, into target: Target) -> Int {
        var (i, j, count) = (0, 0, 0)
        while i < left.count, j < right.count {
            // No branches: which array comes next is random, and a misprediction costs more than the work.
            let (a, b) = (left[i], right[j])
            target[count] = min(a, b)
            i &+= a <= b ? 1 : 0
            j &+= b <= a ? 1 : 0
            count &+= 1
        }
        while i < left.count {
            target[count] = left[i]
            (i, count) = (i &+ 1, count &+ 1)
        }
        while j < right.count {
            target[count] = right[j]
            (j, count) = (j &+ 1, count &+ 1)
        }
        return count
    }

    static func intersect(_ left: Source, _ right: Source, into target: Target) -> Int {
        var (i, j, count) = (0, 0, 0)
        while i < left.count, j < right.count {
            let (a, b) = (left[i], right[j])
            target[count] = a
            count &+= a == b ? 1 : 0
            i &+= a <= b ? 1 : 0
            j &+= b <= a ? 1 : 0
        }
        return count
    }

    static func subtract(_ left: Source, _ right: Source, into target: Target) -> Int {
        var (i, j, count) = (0, 0, 0)
        while i < left.count, j < right.count {
            let (a, b) = (left[i], right[j])
            target[count] = a
            count &+= a < b ? 1 : 0
            i &+= a <= b ? 1 : 0
            j &+= b <= a ? 1 : 0
        }
        while i < left.count {
            target[count] = left[i]
            (i, count) = (i &+ 1, count &+ 1)
        }
        return count
    }

    /// Keeps the values that are in a bitset (`bit` 1) or that are not (`bit` 0).
    static func filter(_ list: Source, by words: Bitset.Source, keeping bit: UInt64, into target: Target) -> Int {
        var count = 0
        for value in list {
            target[count] = value
            count &+= Bitset.bit(value, of: words) == bit ? 1 : 0
        }
        return count
    }

    static func countOfIntersection(_ list: Source, _ words: Bitset.Source) -> Int {
        var count = 0
        for value in list { count &+= Int(Bitset.bit(value, of: words)) }
        return count
    }

    static func countOfIntersection(_ left: Source, _ right: Source) -> Int {
        var (i, j, count) = (0, 0, 0)
        while i < left.count, j < right.count {
            let (a, b) = (left[i], right[j])
            count &+= a == b ? 1 : 0
            i &+= a <= b ? 1 : 0
            j &+= b <= a ? 1 : 0
        }
        return count
    }

    /// Calls `body` with the first and last value of each run.
    static func forEachRun(_ list: Source, _ body: (UInt16, UInt16) -> Void) {
        var start = 0
        for index in list.indices where index + 1 == list.count || list[index + 1] != list[index] + 1 {
            body(list[start], list[index])
            start = index + 1
        }
    }

    /// Counts the runs of consecutive values.
    static func countRuns(_ list: Source) -> Int {
        var runs = list.isEmpty ? 0 : 1
        for index in 1..<Swift.max(list.count, 1) { runs &+= list[index] != list[index &- 1] &+ 1 ? 1 : 0 }
        return runs
    }
}
