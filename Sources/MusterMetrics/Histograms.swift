/// Histograms of durations in fixed buckets, one for each of a fixed number of kinds.
public struct Histograms: Sendable {
    /// The upper bounds of the buckets in seconds; the last bucket has none.
    public static let bounds: [Double] = [
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    private static let nanoseconds = bounds.map { Int($0 * 1e9) }
    /// The counts of the buckets, and the sum in nanoseconds.
    private static let width = bounds.count + 2
    private let cells: Cells

    /// Makes this many histograms.
    public init(kinds: Int) { cells = Cells(kinds * Self.width) }

    /// Records a duration of one kind.
    public func record(_ duration: Duration, of kind: Int) {
        let time = Self.nanoseconds(duration)
        let bucket = Self.nanoseconds.firstIndex { time <= $0 } ?? Self.bounds.count
        cells.add(at: kind * Self.width + bucket)
        cells.add(time, at: kind * Self.width + Self.width - 1)
    }

    /// Divides in 64 bits where that is possible, as it is for 18 seconds: in 128 bits it takes longer than all else
    /// here.
    private static func nanoseconds(_ duration: Duration) -> Int {
        let attoseconds = duration.attoseconds
        if attoseconds >= 0, attoseconds < 1 << 64 {
            return Int(UInt64(truncatingIfNeeded: attoseconds) / 1_000_000_000)
        }
        let (seconds, rest) = duration.components
        return Int(clamping: seconds) &* 1_000_000_000 &+ Int(rest / 1_000_000_000)
    }

    /// The current histogram of one kind.
    public func snapshot(of kind: Int) -> HistogramSnapshot {
        let base = kind * Self.width
        return HistogramSnapshot(
            buckets: (0...Self.bounds.count).map { cells[base + $0] },
            seconds: Double(cells[base + Self.width - 1]) / 1e9)
    }
}

/// The values of a histogram at one time.
public struct HistogramSnapshot: Sendable, Equatable {
    /// The count of each bucket, not cumulative.
    public var buckets: [Int]
    /// The sum of the durations.
    public var seconds: Double

    /// The number of durations.
    public var count: Int { buckets.reduce(0, +) }
}
