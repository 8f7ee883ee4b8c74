import MusterProtocol
import MusterSets
import MusterUsers

/// What a plan depends on, so that many reads of one plan are recognized as asking for the same.
///
/// A class for its identity: a look that serves a thousand checks of one segment asks for its sets once.
final class LookScope: Sendable {
    let cohorts: [CohortReference]
    /// The saved filters that were used, each at the version of its definition.
    let segments: [SegmentVersion]
    let attributes: [AttributeFilter]
    let events: [EventLeaf]
    /// Every segment of the workspace is meant: a look also tells of those that came or went.
    let allSegments: Bool

    init(
        cohorts: [CohortReference], segments: [SegmentVersion], attributes: [AttributeFilter] = [],
        events: [EventLeaf] = [], allSegments: Bool = false
    ) {
        self.cohorts = cohorts
        self.segments = segments
        self.attributes = attributes
        self.events = events
        self.allSegments = allSegments
    }

    /// Whether all leaves stand for sets that keep their changes, so that an earlier state can be shown.
    var hasHistory: Bool { attributes.isEmpty && events.isEmpty }
}

/// What one read wants to know.
struct LookRequest: Sendable {
    var scope: LookScope
    var users: [UserReference] = []
    var wanted = WantedSets()
}

/// The sets of leaves that a look is to work out in the same statement.
struct WantedSets: Sendable {
    /// Of all users' attributes.
    var scans: Set<AttributeFilter> = []
    /// Of those who changed since the version at which the set is known. Where that can't be, the look leaves the set
    /// out.
    var advances: Set<AttributeFilter> = []
    var eventScans: Set<EventLeaf> = []

    mutating func formUnion(_ other: WantedSets) {
        scans.formUnion(other.scans)
        advances.formUnion(other.advances)
        eventScans.formUnion(other.eventScans)
    }
}

/// A user as a look found it.
struct FoundUser: Sendable {
    let number: UInt32
    /// The attributes as JSON; nil where the look was not asked for them.
    let attributes: [UInt8]?
    /// Of the leaves over events that the look was asked for, those whose set the user is in.
    var events: Set<EventLeaf> = []
}

/// A definition that a look found newer than the caller's.
struct FoundDefinition: Sendable, Equatable {
    let version: Int64
    let name: String?
    let filter: Filter?
}

/// Everything that one statement saw: one state of the workspace.
struct Look: Sendable {
    /// When the statement was sent: whatever was acknowledged before is in it.
    let startedAt: ContinuousClock.Instant
    /// The same by the clock of people: what the windows of the last days end with.
    let now: Instant
    var everyone: SetState
    var attributes: SetVersion
    var events: SetVersion
    /// Nil: there is no such cohort.
    var cohorts: [CohortReference: SetState?]
    /// The sets behind those that there are.
    var sets: [CohortReference: Int32]
    /// Nil: there is no such segment. With `allSegments`, all that there are.
    var definitions: [Identifier: FoundDefinition?]
    /// In the order of the request's users; nil: unknown.
    var users: [FoundUser?]
    /// Those that were worked out.
    var attributeSets: [AttributeFilter: MemberSetAtVersion]
    var eventScans: [EventLeaf: MemberSetAtVersion]
}

/// Who is in a leaf's set, at a version of all attributes or of all events.
struct MemberSetAtVersion: Sendable {
    let at: SetVersion
    let members: MemberSet
    /// For a window of the last days: it leaves no event behind from here on, until then.
    var holds: (from: Instant, until: Instant)?

    func holds(at moment: Instant) -> Bool {
        guard let holds else { return true }
        // From: the clock may have been put back, and the window with it.
        return holds.from <= moment && moment < holds.until
    }
}
