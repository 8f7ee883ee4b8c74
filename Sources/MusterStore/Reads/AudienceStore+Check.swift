import Locking
public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The answer to `segments.check` and `segments.of`.
public struct Membership: Sendable {
    private let proved: ProvedRead
    /// Whether each user is in each segment; nil for a user that doesn't exist.
    public let users: [[Bool]?]

    init(of users: [UserNumber?], _ proved: ProvedRead) {
        self.proved = proved
        let evaluations = proved.evaluations
        self.users = users.map { user in
            user.map { user in evaluations.map { $0.contains(user.rawValue) } }
        }
    }

    /// In the order of the question's segments.
    public var segments: [Identifier] { proved.plan.segmentIDs }
    public var names: [Identifier: String] { proved.plan.names }
    public var versions: Versions { proved.versions }
}

extension AudienceStore {
    /// Tests whether users are in segments, all as of one state. Throws `FilterFault`.
    public func membership(
        of users: [UserReference], in question: Question, maxStaleness: Duration = .zero
    ) async throws -> Membership {
        let answer = OneShot<Result<Membership, any Error>>()
        membership(of: users, in: question, maxStaleness: maxStaleness, on: CallingThread.shared) {
            answer.fulfill($0)
        }
        return try await answer.value.get()
    }

    /// The same for callers on an event loop: `then` runs on `loop`, before this returns where memory may answer.
    public func membership(
        of users: [UserReference], in question: Question, maxStaleness: Duration, on loop: any AnswerLoop,
        then: @escaping @Sendable (Result<Membership, any Error>) -> Void
    ) {
        let directories = store.reads.resources.directories
        let digests = directories.digestKey(of: workspace).flatMap { $0.digests(of: users) }
        let plan = memory.plans[question]
        if maxStaleness > .zero, let digests, let recent = recent(plan, needsSets: true, maxStaleness),
            let found = numbers(of: digests, in: recent)
        {
            return then(.success(Membership(of: found, recent)))
        }
        submit(users, digests, question, plan, mayBeStale: maxStaleness > .zero, on: loop, then)
    }

    private func submit(
        _ users: [UserReference], _ digests: [IdentifierDigest]?, _ question: Question, _ plan: QueryPlan?,
        mayBeStale: Bool, on loop: any AnswerLoop, _ then: @escaping @Sendable (Result<Membership, any Error>) -> Void
    ) {
        memory.submit(
            PendingRead(
                question, plan: plan, users: users, digests: digests, needsSets: false, mayBeStale: mayBeStale,
                deadline: scope.deadline, on: loop
            ) { [self] result in
                scope.caller.begin()
                failpoints.reachBlocking(.readProved)
                switch result {
                case .failure(let error): then(.failure(error))
                case .success(let proved):
                    if let found = proved.users ?? digests.flatMap({ numbers(of: $0, in: proved) }) {
                        then(.success(Membership(of: found, proved)))
                    } else {
                        // The directory has gone on since the proof: without digests they are looked up in a snapshot.
                        submit(users, nil, question, plan, mayBeStale: mayBeStale, on: loop, then)
                    }
                }
            })
    }

    /// The users of the state that was proved; nil where the directory is not of that state.
    private func numbers(of digests: [IdentifierDigest], in proved: ProvedRead) -> [UserNumber?]? {
        guard let head = proved.heads[SetKey.identifiers] else { return nil }
        return store.reads.resources.directories.directory(of: workspace)?.users(of: digests, at: head)
    }
}

extension IdentifierDigestKey {
    /// Nil where one of the users is named by something that the directory doesn't have.
    fileprivate func digests(of users: [UserReference]) -> [IdentifierDigest]? {
        var digests: [IdentifierDigest] = []
        digests.reserveCapacity(users.count)
        for user in users {
            guard let digest = digest(of: user) else { return nil }
            digests.append(digest)
        }
        return digests
    }
}
