import MusterProtocol
import MusterSets
import MusterUsers

/// Sets that can be worked out again, kept because that takes long.
enum DerivedKey: Hashable, Sendable {
    case version(SetKey, Int64)
    case attribute(WorkspaceID, AttributeFilter)
    case event(WorkspaceID, EventLeaf)
    /// What a question meant at these versions, with these sets behind its cohorts and in this history: for the pages
    /// of a listing.
    case listing(WorkspaceID, Question, VersionsKey)
}

/// `Versions` as a key.
struct VersionsKey: Hashable, Sendable {
    let everyone: Int64
    let cohorts: [CohortVersion]
    let segments: [SegmentVersion]
    let sets: [Int32]
    let tags: [Int64?]

    init(_ versions: Versions, sets: [Int32], tags: [Int64?]) {
        everyone = versions.everyone
        cohorts = versions.cohorts
        segments = versions.segments
        self.sets = sets
        self.tags = tags
    }
}

typealias DerivedSets = BoundedCache<DerivedKey, MemberSetAtVersion>

extension BoundedCache where Key == DerivedKey, Value == MemberSetAtVersion {
    func put(_ members: MemberSet, at version: SetVersion, for key: DerivedKey) {
        put(MemberSetAtVersion(at: version, members: members), for: key)
    }

    func put(_ members: MemberSetAtVersion, for key: DerivedKey) {
        put(members, for: key, bytes: members.members.byteCount + 256)
    }
}
