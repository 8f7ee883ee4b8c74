import Locking
import Logging
import MusterProtocol
import MusterSets
import Postgres

/// What the reads of all workspaces share.
struct ReadResources: Sendable {
    let database: Database
    /// The newest version of each stored set.
    let sets: SetCache
    /// Sets that can be computed again: of leaves, at earlier versions, and listings that are being paged.
    let derived: DerivedSets
    let directories: IdentityDirectories
    let counts: StoreCounts
    let failpoints: Failpoints
    /// Lets go of the sets that plans of all workspaces hold.
    let dropStates = Locked<(@Sendable () -> Void)?>(nil)
    let evictionsSeen = Locked(0)
    /// When this process last completed an erasure or merge in each workspace: what was read before must not answer
    /// any caller.
    let lastErasures = Locked<[WorkspaceID: ContinuousClock.Instant]>([:])
}

extension ReadResources {
    /// Frees the memory of sets that the caches have evicted since the last time, and that plans still hold.
    func freeEvicted() {
        let evictions = sets.evictions + derived.evictions
        let areNew = evictionsSeen.withLock { seen in
            defer { seen = evictions }
            return seen != evictions
        }
        if areNew { dropStates.withLock { $0 }?() }
    }
}

/// The memory and the loop of reads of each workspace.
final class ReadEngine: Sendable {
    let resources: ReadResources
    private let workspaces = Locked<[WorkspaceID: WorkspaceReads]>([:])

    init(_ resources: ReadResources) {
        self.resources = resources
        resources.dropStates.withLock { drop in drop = { [weak self] in self?.dropStates() } }
    }

    private func dropStates() {
        for reads in workspaces.withLock({ Array($0.values) }) { reads.plans.dropStates() }
    }

    func reads(of workspace: WorkspaceID) -> WorkspaceReads {
        workspaces.withLock { workspaces in
            if let there = workspaces[workspace] { return there }
            let made = WorkspaceReads(workspace, resources)
            workspaces[workspace] = made
            return made
        }
    }
}

/// Where answers are made: an event loop, or the thread that brings them to callers that wait in a task.
public protocol AnswerLoop: AnyObject, Sendable {
    /// Runs `body` on the loop, soon.
    func execute(_ body: @escaping @Sendable () -> Void)
}

/// Runs at once. For callers that only resume a task.
final class CallingThread: AnswerLoop {
    static let shared = CallingThread()

    func execute(_ body: @escaping @Sendable () -> Void) { body() }
}
