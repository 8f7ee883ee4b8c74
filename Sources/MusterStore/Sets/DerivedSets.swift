import MusterProtocol
import MusterSets

/// Sets that can be worked out again, kept because that takes long.
enum DerivedKey: Hashable, Sendable {
    case version(SetKey, Int64)
    case attribute(WorkspaceID, AttributeFilter)
    /// What a filter meant at these versions, for the pages of a listing.
    case listing(WorkspaceID, Question, VersionsKey)
}

/// `Versions` as a key.
struct VersionsKey: Hashable, Sendable {
    let everyone: Int64
    let cohorts: [CohortVersion]

    init(_ versions: Versions) {
        everyone = versions.everyone
        cohorts = versions.cohorts
    }
}

typealias DerivedSets = BoundedCache<DerivedKey, MemberSetAtVersion>

extension BoundedCache where Key == DerivedKey, Value == MemberSetAtVersion {
    func put(_ members: MemberSet, at version: SetVersion, for key: DerivedKey) {
        put(MemberSetAtVersion(at: version, members: members), for: key, bytes: members.byteCount + 256)
    }
}
