import MusterProtocol
import MusterSets

/// What a plan depends on, so that many reads of one plan are recognized as asking for the same.
///
/// A class for its identity: a look that serves a thousand checks of one segment asks for its sets once.
final class LookScope: Sendable {
    let cohorts: [CohortReference]
    /// The saved filters that were used, each at the version of its definition.
    let segments: [SegmentVersion]
    let attributes: [AttributeFilter]
    /// Every segment of the workspace is meant: a look also tells of those that came or went.
    let allSegments: Bool

    init(
        cohorts: [CohortReference], segments: [SegmentVersion], attributes: [AttributeFilter], allSegments: Bool = false
    ) {
        self.cohorts = cohorts
        self.segments = segments
        self.attributes = attributes
        self.allSegments = allSegments
    }
}

/// What one read wants to know.
struct LookRequest: Sendable {
    var scope: LookScope
    var users: [UserReference] = []
    /// The attributes whose bitmaps are to be worked out in the same statement.
    var scans: [AttributeFilter] = []
}

/// A user as a look found it.
struct FoundUser: Sendable {
    let number: UInt32
    /// The attributes as JSON; nil where the look was not asked for them.
    let attributes: [UInt8]?
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
    var scans: [AttributeFilter: MemberSetAtVersion]
}

/// Who passes an attribute's test, at a version of all attributes.
struct MemberSetAtVersion: Sendable {
    let at: SetVersion
    let members: MemberSet
}
