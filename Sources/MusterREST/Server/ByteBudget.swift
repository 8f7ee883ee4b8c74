import Synchronization

/// What may be held of bodies.
struct BodyBudgets: Sendable {
    /// Of callers who are not known yet: partners prove who they are in the body, so that it has to be read before anything is known of
    /// its sender.
    let unauthenticated: ByteBudget
    /// Of all others.
    let authenticated: ByteBudget
}

/// Bytes that may be held at once.
final class ByteBudget: Sendable {
    private let capacity: Int
    private let used = Atomic<Int>(0)

    init(_ capacity: Int) { self.capacity = capacity }

    var taken: Int { used.load(ordering: .relaxed) }

    /// Takes bytes, where there are so many left.
    func take(_ bytes: Int) -> Bool {
        let after = used.add(bytes, ordering: .relaxed).newValue
        if after > capacity { used.subtract(bytes, ordering: .relaxed) }
        return after <= capacity
    }

    func giveBack(_ bytes: Int) { used.subtract(bytes, ordering: .relaxed) }
}
