import Synchronization

/// The caller of units of work: the call that they belong to, and its place in the turns.
///
/// One per call. The first unit of a call may be refused under overload. Later ones go ahead of calls that have not
/// begun, because refusing them would waste the work done so far.
public final class Caller: Sendable {
    /// Groups take turns, regardless of how much their members request: a workspace.
    public let group: Int64
    /// Members take turns within their group: a key.
    public let member: Int64
    private let isUnderWay: Atomic<Bool>

    /// - Parameter hasBegun: true for the program's own work, which is never refused for lack of capacity.
    public init(group: Int64, member: Int64 = 0, hasBegun: Bool = false) {
        (self.group, self.member) = (group, member)
        isUnderWay = Atomic(hasBegun)
    }

    /// Whether a unit of work of this call has begun.
    var hasBegun: Bool { isUnderWay.load(ordering: .relaxed) }

    /// Marks the call as begun, by its own unit of work or by another call's that it shares.
    public func begin() { isUnderWay.store(true, ordering: .relaxed) }
}

/// A unit of work on its way to a connection.
struct Work: Sendable {
    /// The kind of work, which determines its connections.
    enum Lane: Int, CaseIterable { case urgent, read, write }

    let ticket: Ticket
    let deadline: MonotonicTime
    let lane: Lane
    let caller: Caller
    /// Runs the work on a connection. Returns a closure that notifies the caller, or nil when it had no effect and may
    /// run again.
    let run: @Sendable (_ session: DatabaseSession, _ mayRunAgain: Bool) -> (@Sendable () -> Void)?
    let refuse: @Sendable (PostgresError) -> Void
}

/// The state of a unit of work. It exists before the work is queued, so that an earlier cancellation is not lost.
///
/// `@unchecked Sendable`: its fields are only accessed under the lock of the `WorkQueue`.
final class Ticket: @unchecked Sendable {
    enum Place {
        case outside, done
        case waiting(Work.Lane, Caller)
        case running(Interrupt, since: MonotonicTime)
    }
    var place = Place.outside
    var isCancelled = false
    var hasRun = false
}
