import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// A leaf of a filter: an operand of its expression.
enum Leaf: Hashable, Sendable {
    /// A stored set with a head of its own and history.
    case cohort(CohortReference)
    case computed(AnyComputedLeaf)
}

/// A leaf whose set is computed from rows. Each kind is one file: what it depends on, how its set is made and brought
/// on, and how some users are tested without it. None has history.
protocol ComputedLeaf: Hashable, Sendable {
    /// The head that every change of the rows behind the leaf raises.
    static var head: Int32 { get }

    /// Whether its set is worth making for checks: it can be brought on by the changes alone.
    static var isKeptForChecks: Bool { get }

    /// A filter of the leaf alone.
    var filter: Filter { get }

    /// The sets of some leaves, from all users. Takes seconds over millions of users.
    static func scan(
        _ leaves: [Self], now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [Self: ComputedSet]

    /// The sets of some leaves, brought on from an earlier version by the users who changed since. Leaves out those for
    /// which that isn't possible.
    ///
    /// - Parameter maxUsers: the most changed users to look at; nil means as many as the log keeps.
    static func advance(
        _ known: [Self: LeafSet], maxUsers: Int?, in transaction: borrowing WorkspaceTransaction
    ) throws -> [Self: ComputedSet]

    /// Those of some users who are in each leaf's set, judged by their rows.
    static func passing(
        _ leaves: [Self], among users: [UserNumber], now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [Self: MemberSet]
}

extension ComputedLeaf {
    static var isKeptForChecks: Bool { false }

    static func advance(
        _: [Self: LeafSet], maxUsers _: Int?, in _: borrowing WorkspaceTransaction
    ) throws -> [Self: ComputedSet] { [:] }
}

/// What a computation of a leaf's set came to.
struct ComputedSet: Sendable {
    var members: MemberSet
    /// For a window of the last days: it leaves no event behind from here on, until then.
    var holds: (from: Instant, until: Instant)?
}

/// A leaf's set at a version of its head.
struct LeafSet: Sendable {
    let at: SetVersion
    let computed: ComputedSet
    var members: MemberSet { computed.members }

    func holds(at moment: Instant) -> Bool {
        guard let holds = computed.holds else { return true }
        // From: the clock may have been put back, and the window with it.
        return holds.from <= moment && moment < holds.until
    }
}

/// A computed leaf of any kind, as a key.
struct AnyComputedLeaf: Hashable, Sendable {
    let base: any ComputedLeaf

    init(_ base: any ComputedLeaf) { self.base = base }

    var head: Int32 { type(of: base).head }
    var isKeptForChecks: Bool { type(of: base).isKeptForChecks }

    static func == (left: Self, right: Self) -> Bool { AnyHashable(left.base) == AnyHashable(right.base) }
    func hash(into hasher: inout Hasher) { hasher.combine(AnyHashable(base)) }
}

// The statements of each kind, over leaves of all kinds.
extension [AnyComputedLeaf] {
    func scan(
        now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [AnyComputedLeaf: ComputedSet] {
        var sets: [AnyComputedLeaf: ComputedSet] = [:]
        for kind in kinds { try scan(kind, now, transaction, &sets) }
        return sets
    }

    private func scan<L: ComputedLeaf>(
        _: L.Type, _ now: Instant, _ transaction: borrowing WorkspaceTransaction,
        _ sets: inout [AnyComputedLeaf: ComputedSet]
    ) throws {
        for (leaf, set) in try L.scan(all(L.self), now: now, in: transaction) { sets[AnyComputedLeaf(leaf)] = set }
    }

    func passing(
        among users: [UserNumber], now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [AnyComputedLeaf: MemberSet] {
        var sets: [AnyComputedLeaf: MemberSet] = [:]
        for kind in kinds { try passing(kind, users, now, transaction, &sets) }
        return sets
    }

    private func passing<L: ComputedLeaf>(
        _: L.Type, _ users: [UserNumber], _ now: Instant, _ transaction: borrowing WorkspaceTransaction,
        _ sets: inout [AnyComputedLeaf: MemberSet]
    ) throws {
        for (leaf, set) in try L.passing(all(L.self), among: users, now: now, in: transaction) {
            sets[AnyComputedLeaf(leaf)] = set
        }
    }

    func advance(
        _ known: [AnyComputedLeaf: LeafSet], maxUsers: Int?, in transaction: borrowing WorkspaceTransaction
    ) throws -> [AnyComputedLeaf: ComputedSet] {
        var sets: [AnyComputedLeaf: ComputedSet] = [:]
        for kind in kinds { try advance(kind, known, maxUsers, transaction, &sets) }
        return sets
    }

    private func advance<L: ComputedLeaf>(
        _: L.Type, _ known: [AnyComputedLeaf: LeafSet], _ maxUsers: Int?,
        _ transaction: borrowing WorkspaceTransaction, _ sets: inout [AnyComputedLeaf: ComputedSet]
    ) throws {
        var own: [L: LeafSet] = [:]
        for leaf in all(L.self) { own[leaf] = known[AnyComputedLeaf(leaf)] }
        guard !own.isEmpty else { return }
        for (leaf, set) in try L.advance(own, maxUsers: maxUsers, in: transaction) {
            sets[AnyComputedLeaf(leaf)] = set
        }
    }

    private func all<L: ComputedLeaf>(_: L.Type) -> [L] { compactMap { $0.base as? L } }

    private var kinds: [any ComputedLeaf.Type] {
        var seen: Set<ObjectIdentifier> = []
        return compactMap { leaf in
            let kind = type(of: leaf.base)
            return seen.insert(ObjectIdentifier(kind)).inserted ? kind : nil
        }
    }
}
