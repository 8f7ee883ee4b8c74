public import MusterProtocol
import MusterSets
import Postgres

extension AudienceStore {
    /// The number of users that match a question, with the size of each filter node on request. Throws `FilterFault`.
    public func size(
        of question: Question, withNodes: Bool, maxStaleness: Duration = .zero
    ) async throws -> SizeSegment.Reply {
        try await read(question, maxStaleness: maxStaleness).size(withNodes: withNodes)
    }

    /// The same with marginals, and divided by other filters into regions. All figures are of one state.
    public func size(
        of subject: QuestionPart, withNodes: Bool, withMarginals: Bool, regions: [QuestionPart],
        maxStaleness: Duration = .zero
    ) async throws -> SizeSegment.Reply {
        let proved = try await read(.several([subject] + regions), maxStaleness: maxStaleness)
        var reply = proved.size(withNodes: withNodes)
        if withMarginals { reply.marginals = try proved.marginals() }
        if !regions.isEmpty { reply.regions = proved.regions() }
        return reply
    }

    /// The same for callers on an event loop: `then` runs on `loop`, before this returns where memory may answer.
    /// What takes long is counted on the shared threads.
    public func size(
        of question: Question, withNodes: Bool, maxStaleness: Duration, on loop: any AnswerLoop,
        then: @escaping @Sendable (Result<SizeSegment.Reply, any Error>) -> Void
    ) {
        let plan = memory.plans[question]
        if maxStaleness > .zero, let recent = recent(plan, needsSets: true, maxStaleness) {
            return recent.count(withNodes: withNodes, on: loop, then)
        }
        memory.submit(
            PendingRead(question, plan: plan, needsSets: true, deadline: scope.deadline, on: loop) { [scope] result in
                scope.caller.begin()
                switch result {
                case .failure(let error): then(.failure(error))
                case .success(let proved): proved.count(withNodes: withNodes, on: loop, then)
                }
            })
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

extension ProvedRead {
    /// Containers of sets that an event loop counts itself: some 100 µs.
    private static let maxContainersOnLoop = 400

    fileprivate func size(withNodes: Bool) -> SizeSegment.Reply {
        guard let evaluation = evaluations.first else { return .init(size: 0, versions: versions) }
        guard withNodes else { return .init(size: state.count(evaluation), versions: versions) }
        let counts = evaluation.counts()
        let nodes = zip(plan.paths, counts).compactMap { path, count in
            path.map { NodeSize(path: $0, size: count) }
        }
        return .init(size: counts.first ?? 0, nodes: nodes, versions: versions)
    }

    fileprivate func count(
        withNodes: Bool, on loop: any AnswerLoop,
        _ then: @escaping @Sendable (Result<SizeSegment.Reply, any Error>) -> Void
    ) {
        let containers = (plan.leaves.count + 1) * (Int(state.everyone.members.max ?? 0) >> 16 + 1)
        guard containers > Self.maxContainersOnLoop, withNodes || !state.isCounted else {
            return then(.success(size(withNodes: withNodes)))
        }
        // Of no task, since the caller is an event loop; it ends with the count.
        Task {
            let size = size(withNodes: withNodes)
            loop.execute { then(.success(size)) }
        }
    }
}
