import Synchronization

/// What may be held of bodies.
struct BodyBudgets: Sendable {
    /// Of callers who are not known yet: partners prove who they are in the body, so that it has to be read before anything is known of
    /// its sender.
    let strangers: ByteBudget
    /// Of all others.
    let known: ByteBudget
}

/// Bytes that may be held at once.
final class ByteBudget: Sendable {
    private let most: Int
    private let used = Atomic<Int>(0)

    init(_ most: Int) { self.most = most }

    var taken: Int { used.load(ordering: .relaxed) }

    /// Takes bytes, where there are so many left.
    func take(_ bytes: Int) -> Bool {
        let after = used.add(bytes, ordering: .relaxed).newValue
        if after > most { used.subtract(bytes, ordering: .relaxed) }
        return after <= most
    }

    func giveBack(_ bytes: Int) { used.subtract(bytes, ordering: .relaxed) }
}
