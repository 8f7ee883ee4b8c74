import Synchronization

/// Who wants units of work: the call that they are for, with whose work it shares turns and places.
///
/// One per call. The first unit of a call may be refused where there is too much work; a later one goes ahead of calls
/// that have not begun, since what was done for it would be lost.
public final class Caller: Sendable {
    /// Groups take turns, whatever their members want: a workspace.
    public let group: Int64
    /// Members of a group take turns within its own: a key.
    public let member: Int64
    private let isUnderWay: Atomic<Bool>

    /// - Parameter hasBegun: whether its work is never refused for want of room, as if some had been done: for what a
    ///   program does by itself.
    public init(group: Int64, member: Int64 = 0, hasBegun: Bool = false) {
        (self.group, self.member) = (group, member)
        isUnderWay = Atomic(hasBegun)
    }

    /// Whether a unit of work was begun for it.
    var hasBegun: Bool { isUnderWay.load(ordering: .relaxed) }

    /// Work was done for it, by a unit of its own or of another call that it shares.
    public func begin() { isUnderWay.store(true, ordering: .relaxed) }
}

/// A unit of work on its way to a connection.
struct Work: Sendable {
    /// What it competes with.
    enum Lane: Int, CaseIterable { case urgent, read, write }

    let ticket: Ticket
    let deadline: Moment
    let lane: Lane
    let caller: Caller
    /// Runs it on a connection. Returns how to tell the caller, or nil when it left no trace and may run again.
    let run: @Sendable (_ session: Session, _ mayRunAgain: Bool) -> (@Sendable () -> Void)?
    let refuse: @Sendable (PostgresError) -> Void
}

/// Where a unit of work is. It exists before the work is queued, so that a cancellation which comes first is not lost.
///
/// `@unchecked Sendable` is right because its fields are read and written only under the lock of the `WorkQueue`.
final class Ticket: @unchecked Sendable {
    enum Place {
        case outside, done
        case waiting(Work.Lane, Caller)
        case running(Interrupt, since: Moment)
    }
    var place = Place.outside
    var isCancelled = false
    var hasRun = false
}
