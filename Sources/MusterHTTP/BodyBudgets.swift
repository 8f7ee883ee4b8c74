import Synchronization

/// The memory that request bodies may take.
struct BodyBudgets: Sendable {
    /// For callers that are not authenticated yet: a key in the body can be checked only when the body has been read.
    let unauthenticated: ByteBudget
    /// For all other callers.
    let authenticated: ByteBudget
}

/// Bounds the bytes that may be held at once.
final class ByteBudget: Sendable {
    private let capacity: Int
    private let used = Atomic<Int>(0)

    init(_ capacity: Int) { self.capacity = capacity }

    var taken: Int { used.load(ordering: .relaxed) }

    /// Acquires bytes if that many are left.
    func acquire(_ bytes: Int) -> Bool {
        let after = used.add(bytes, ordering: .relaxed).newValue
        if after > capacity { used.subtract(bytes, ordering: .relaxed) }
        return after <= capacity
    }

    func release(_ bytes: Int) { used.subtract(bytes, ordering: .relaxed) }
}
