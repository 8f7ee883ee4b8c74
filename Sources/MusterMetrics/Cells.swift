import Synchronization

/// Numbers that many threads add to without a lock, in a few nanoseconds.
///
/// `@unchecked Sendable`: the memory never moves, and what stands in it is touched by atomic operations only.
public final class Cells: @unchecked Sendable {
    private let cells: UnsafeMutablePointer<Atomic<Int>>
    /// How many there are.
    public let count: Int

    /// So many zeros.
    public init(_ count: Int) {
        self.count = count
        cells = .allocate(capacity: count)
        for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: count)
        cells.deallocate()
    }

    /// Adds to one of them; one that is not there is left out.
    public func add(_ amount: Int = 1, at index: Int = 0) {
        guard index >= 0, index < count else { return }
        cells[index].wrappingAdd(amount, ordering: .relaxed)
    }

    /// One of them as it is now.
    public subscript(_ index: Int) -> Int { cells[index].load(ordering: .relaxed) }
}
