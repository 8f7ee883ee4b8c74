/// Loops over ascending lists of different values. Where a list is written, the caller gives room for the longest result: that of the left
/// list, for a union that of both.
enum Lists {
    typealias Source = UnsafeBufferPointer<UInt16>
    typealias Target = UnsafeMutablePointer<UInt16>

    /// The place of the first value that is not below `value`.
    static func lowerBound(of value: UInt16, in list: Source) -> Int {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    static func unite(_ left: Source, _ right: Source, into target: Target) -> Int {
        var (i, j, count) = (0, 0, 0)
        while i < left.count, j < right.count {
            // Without branches: which list is next is a coin toss, and a wrong guess costs more than the work.
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
    static func filter(_ list: Source, by words: Words.Source, keeping bit: UInt64, into target: Target) -> Int {
        var count = 0
        for value in list {
            target[count] = value
            count &+= Words.bit(value, of: words) == bit ? 1 : 0
        }
        return count
    }

    static func countOfIntersection(_ list: Source, _ words: Words.Source) -> Int {
        var count = 0
        for value in list { count &+= Int(Words.bit(value, of: words)) }
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

    /// Runs of neighbouring values.
    static func countRuns(_ list: Source) -> Int {
        var runs = list.isEmpty ? 0 : 1
        for index in 1..<Swift.max(list.count, 1) { runs &+= list[index] != list[index &- 1] &+ 1 ? 1 : 0 }
        return runs
    }
}
