/// How long things took, in fixed buckets, for each of a fixed number of kinds of things.
public struct Histograms: Sendable {
    /// The upper ends of the buckets in seconds; what takes longer is in the last one, which has no end.
    public static let bounds: [Double] = [
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    private static let nanoseconds = bounds.map { Int($0 * 1e9) }
    /// The buckets, and the sum in nanoseconds.
    private static let width = bounds.count + 2
    private let cells: Cells

    /// Histograms of so many kinds.
    public init(kinds: Int) { cells = Cells(kinds * Self.width) }

    /// Notes one thing that took so long.
    public func record(_ duration: Duration, of kind: Int) {
        let (seconds, attoseconds) = duration.components
        let time = Int(clamping: seconds) &* 1_000_000_000 &+ Int(attoseconds / 1_000_000_000)
        let bucket = Self.nanoseconds.firstIndex { time <= $0 } ?? Self.bounds.count
        cells.add(at: kind * Self.width + bucket)
        cells.add(time, at: kind * Self.width + Self.width - 1)
    }

    /// What was noted of one kind.
    public func snapshot(of kind: Int) -> HistogramSnapshot {
        let base = kind * Self.width
        return HistogramSnapshot(
            buckets: (0...Self.bounds.count).map { cells[base + $0] },
            seconds: Double(cells[base + Self.width - 1]) / 1e9)
    }
}

/// What a histogram holds at one moment.
public struct HistogramSnapshot: Sendable, Equatable {
    /// Things in each bucket, not counting those of the buckets before it.
    public var buckets: [Int]
    /// How long all took together.
    public var seconds: Double

    /// How many things there were.
    public var count: Int { buckets.reduce(0, +) }
}
