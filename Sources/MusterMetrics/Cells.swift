import Synchronization

/// Counters that many threads increment without a lock, in a few nanoseconds.
///
/// `@unchecked Sendable`: the memory never moves, and only atomic operations access it.
public final class Cells: @unchecked Sendable {
    private let cells: UnsafeMutablePointer<Atomic<Int>>
    /// The number of counters.
    public let count: Int

    /// Makes this many zeros.
    public init(_ count: Int) {
        self.count = count
        cells = .allocate(capacity: count)
        for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: count)
        cells.deallocate()
    }

    /// Adds to a counter; ignores an index out of range.
    public func add(_ amount: Int = 1, at index: Int = 0) {
        guard index >= 0, index < count else { return }
        cells[index].wrappingAdd(amount, ordering: .relaxed)
    }

    /// The current value of a counter.
    public subscript(_ index: Int) -> Int { cells[index].load(ordering: .relaxed) }
}
