import Synchronization

/// A flag that one task raises once and others read.
public final class Flag: Sendable {
    private let flag = Atomic(false)

    public init() {}

    /// Whether it was raised.
    public var isRaised: Bool { flag.load(ordering: .relaxed) }

    /// Raises it for good.
    public func raise() { flag.store(true, ordering: .relaxed) }
}
