public import MusterProtocol
import MusterSets

extension AudienceStore {
    /// The number of users that match a question, with the size of each filter node on request. Throws `FilterFault`.
    public func size(
        of question: Question, withNodes: Bool, maxStaleness: Duration = .zero
    ) async throws -> SizeSegment.Reply {
        let reading = try await reading(of: question, maxStaleness: maxStaleness)
        guard let evaluation = reading.evaluations.first else { return .init(size: 0, versions: reading.versions) }
        guard withNodes else { return .init(size: evaluation.count(), versions: reading.versions) }
        let counts = evaluation.counts()
        let nodes = zip(reading.plan.paths, counts).compactMap { path, count in
            path.map { NodeSize(path: $0, size: count) }
        }
        return .init(size: counts.first ?? 0, nodes: nodes, versions: reading.versions)
    }

    /// The same as of an earlier state, without the users erased since. Users merged since count once.
    public func size(
        of question: Question, at versions: Versions, maxStaleness: Duration = .zero
    ) async throws -> SizeSegment.Reply {
        let past = try await members(of: question, at: versions, sets: nil)
        let size = try await presentCount(of: past.members)
        return .init(size: size, versions: versions)
    }
}
