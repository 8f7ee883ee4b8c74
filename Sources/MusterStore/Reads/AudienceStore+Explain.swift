import Locking
public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

extension AudienceStore {
    /// Why a user is in the nodes of a question's first filter, or not; nil if there is no such user. Throws
    /// `FilterFault`.
    ///
    /// All of it is read in one snapshot, membership and rows.
    ///
    /// - Parameter withValues: whether to show what the user has and did.
    public func explanation(
        of user: UserReference, in question: Question, withValues: Bool
    ) async throws -> ExplainSegment.Reply? {
        let memory = self.memory
        return try await snapshot { transaction in
            let (proved, now) = try memory.read(question, of: [user], until: scope.deadline, in: transaction)
            guard let number = proved.users?.first ?? nil else { return nil }
            var explanation = Explanation(of: number, proved)
            try explanation.findMembershipChanges(in: transaction)
            if withValues {
                try explanation.findValues(in: transaction)
                try explanation.findActivity(now: now, in: transaction)
            }
            return explanation.reply(valuesShown: withValues)
        }
    }
}

extension WorkspaceReads {
    /// Reads a question for some users in the caller's snapshot, for what else is read there. Also returns the moment
    /// for which windows of the last days were judged.
    fileprivate func read(
        _ question: Question, of users: [UserReference], until deadline: ContinuousClock.Instant,
        in transaction: borrowing WorkspaceTransaction
    ) throws -> (ProvedRead, now: Instant) {
        let answer = Locked<Result<ProvedRead, any Error>?>(nil)
        let read = PendingRead(
            question, users: users, needsSets: false, deadline: deadline, on: CallingThread.shared
        ) { result in answer.withLock { $0 = result } }
        var refresh = Refresh(of: [read], .quick, for: self, isShared: false)
        try refresh.run(in: transaction).answers.handOut()
        guard let result = answer.withLock({ $0 }) else {
            // A refresh leaves only reads unanswered that need sets.
            throw PostgresError(.decoding, "a refresh left a read unanswered")
        }
        return (try result.get(), refresh.now)
    }
}

/// What is known of one user in a filter.
private struct Explanation {
    private let user: UserNumber
    private let proved: ProvedRead
    /// Whether the user is in each node, in preorder.
    private let isIn: [Bool]
    /// The leaf that a node consists of, by its place among the nodes.
    private let leaves: [Int: Leaf]
    private var values: [Identifier: RawJSON] = [:]
    private var activities: [EventLeaf: CountedActivity] = [:]
    private var changes: [CohortReference: MembershipChange] = [:]

    init(of user: UserNumber, _ proved: ProvedRead) {
        self.user = user
        self.proved = proved
        let plan = proved.plan
        isIn =
            plan.expressions.first.map { expression in
                Evaluation(expression, universe: [user.rawValue], operands: proved.operands).counts().map { $0 == 1 }
            } ?? []
        leaves = plan.leavesOfNodes
    }

    func reply(valuesShown: Bool) -> ExplainSegment.Reply {
        let nodes = zip(proved.plan.paths, isIn).enumerated().compactMap { index, node in
            node.0.map { explain(leaves[index], at: $0, isIn: node.1) }
        }
        return .init(
            in: isIn.first ?? false, nodes: nodes, valuesShown: valuesShown, versions: proved.versions)
    }

    private func explain(_ leaf: Leaf?, at path: String, isIn: Bool) -> ExplainedNode {
        var node = ExplainedNode(path, in: isIn)
        switch leaf {
        case .cohort(let cohort): node.cohort = changes[cohort]
        case .computed(let leaf):
            if let attribute = leaf.base as? AttributeFilter { node.value = values[attribute.name] }
            if let event = leaf.base as? EventLeaf { node.activity = activities[event] }
        case nil: break
        }
        return node
    }

    mutating func findValues(in transaction: borrowing WorkspaceTransaction) throws {
        let names = Set(all(AttributeFilter.self).map(\.name))
        if !names.isEmpty { values = try transaction.attributes(names, of: user) }
    }

    mutating func findActivity(now: Instant, in transaction: borrowing WorkspaceTransaction) throws {
        let events = Array(Set(all(EventLeaf.self)))
        if !events.isEmpty { activities = try EventLeaf.activity(events, of: user, now: now, in: transaction) }
    }

    mutating func findMembershipChanges(in transaction: borrowing WorkspaceTransaction) throws {
        var search = MembershipSearch(for: user)
        for cohort in proved.plan.cohorts {
            guard let stored = proved.state.cohorts[cohort] else { continue }
            changes[cohort] = try search.lastChange(in: stored, transaction)
        }
    }

    private func all<L: ComputedLeaf>(_: L.Type) -> [L] { proved.plan.computed.compactMap { $0.base as? L } }
}

extension QueryPlan {
    /// The leaf that a node of the first expression consists of, by its place in preorder. A negative leaf is two nodes
    /// of the expression and one of the filter.
    fileprivate var leavesOfNodes: [Int: Leaf] {
        var found: [Int: Leaf] = [:]
        var next = 0
        func visit(_ expression: SetExpression) {
            let node = next
            next += 1
            switch expression {
            case .set(let leaf): found[paths[node] == nil ? node - 1 : node] = leaves[leaf]
            case .not(let inner): visit(inner)
            case .all(let children), .any(let children): for child in children { visit(child) }
            case .everyone, .nothing: break
            }
        }
        if let first = expressions.first { visit(first) }
        return found
    }
}

extension WorkspaceTransaction {
    /// The user's values of these attributes, of those that the user has.
    fileprivate borrowing func attributes(
        _ names: Set<Identifier>, of user: UserNumber
    ) throws -> [Identifier: RawJSON] {
        let stored = try first(
            """
            SELECT attributes FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number = \(user)
            """
        ) { row in try row.value(0, as: JSONB.self) }
        guard let stored else { return [:] }
        return try stored.bytes.withUnsafeBytes { bytes in
            try AttributeTest.readers.read(bytes) { object in
                var values: [Identifier: RawJSON] = [:]
                for field in try object.fields() {
                    let name = field.name.withUnsafeBytes { Identifier(bytes: $0) }
                    if names.contains(name) { values[name] = RawJSON(field.value) }
                }
                return values
            }
        }
    }
}
