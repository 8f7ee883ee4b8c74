import MusterProtocol
import MusterSets

/// Identifies a set that can be recomputed. Such sets are cached because computing one takes long.
enum DerivedKey: Hashable, Sendable {
    case version(SetKey, Int64)
    case leaf(WorkspaceID, AnyComputedLeaf)
    /// The result of a question for the pages of a listing: at these versions, with these sets behind its cohorts, in
    /// this history.
    case listing(WorkspaceID, Question, VersionsKey)
}

/// `Versions` as a hashable key.
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

typealias DerivedSets = BoundedCache<DerivedKey, LeafSet>

extension BoundedCache where Key == DerivedKey, Value == LeafSet {
    func put(_ members: MemberSet, at version: SetVersion, for key: DerivedKey) {
        put(LeafSet(at: version, computed: ComputedSet(members: members)), for: key)
    }

    func put(_ members: LeafSet, for key: DerivedKey) {
        put(members, for: key, bytes: members.members.byteCount + 256)
    }
}
