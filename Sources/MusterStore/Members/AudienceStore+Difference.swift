public import MusterProtocol
import MusterSets
import MusterUsers

/// One side of a difference.
public struct DifferenceSide: Sendable {
    public var subject: QuestionPart
    public var at: Versions?
    /// The field of the call that has `at`, for errors.
    public var atField: String

    /// - Parameters:
    ///   - at: the state; nil for the current one.
    ///   - atField: the field of the call that has `at`, for errors.
    public init(_ subject: QuestionPart, at: Versions?, atField: String) {
        self.subject = subject
        self.at = at
        self.atField = atField
    }
}

/// The numbers of users in the parts of a difference.
public struct DifferenceCounts: Codable, Sendable, Equatable {
    public var entered: Int
    public var left: Int
    public var stayed: Int

    enum CodingKeys: String, CodingKey {
        case entered = "e"
        case left = "l"
        case stayed = "s"
    }
}

/// The position at which a listing of a difference continues.
public struct DifferencePosition: Codable, Sendable, Equatable {
    public var from: Versions
    /// Nil: as `from`.
    public var to: Versions?
    /// Of the first page.
    public var counts: DifferenceCounts
    /// The stored list, where it can't be computed again.
    public var stored: Int32?
    public var after: UInt32

    enum CodingKeys: String, CodingKey {
        case from = "f"
        case to = "t"
        case counts = "c"
        case stored = "l"
        case after = "a"
    }
}

/// A page of one list of a difference.
public struct DifferencePage: Sendable {
    public var counts: DifferenceCounts
    public var members: [Member]
    public var from: Versions
    public var to: Versions
    public var next: DifferencePosition?
}

extension AudienceStore {
    /// The first page of one list of the difference between two sets of users. Throws `FilterFault` or
    /// `VersionNotKept`.
    public func difference(
        from: DifferenceSide, to: DifferenceSide, list: DifferenceList, shape: PageShape
    ) async throws -> DifferencePage {
        let difference = try await difference(from: from, to: to)
        let listed = difference.members(of: list)
        let page = try await entries(of: listed, after: nil, shape)
        var next: DifferencePosition?
        if let after = page.next?.after {
            next = DifferencePosition(
                from: difference.fromVersions,
                to: difference.toVersions == difference.fromVersions ? nil : difference.toVersions,
                counts: difference.counts,
                stored: difference.canBeFoundAgain ? nil : try await storeListing(listed), after: after)
        }
        return DifferencePage(
            counts: difference.counts, members: page.members, from: difference.fromVersions,
            to: difference.toVersions, next: next)
    }

    /// The page at the position that an earlier page returned.
    public func difference(
        from: DifferenceSide, to: DifferenceSide, list: DifferenceList, at position: DifferencePosition,
        shape: PageShape
    ) async throws -> DifferencePage {
        let (fromVersions, toVersions) = (position.from, position.to ?? position.from)
        let listed: MemberSet
        if let stored = position.stored {
            for (side, versions) in [(from, fromVersions), (to, toVersions)] {
                try await currentPlan(of: .several([side.subject])).plan.requireDefinitions(of: versions)
            }
            listed = try await storedListing(stored)
        } else {
            let before = try await members(of: .several([from.subject]), at: fromVersions, sets: nil)
            let after = try await members(of: .several([to.subject]), at: toVersions, sets: nil)
            listed = Difference(from: before.members, to: after.members, fromVersions, toVersions).members(of: list)
        }
        let page = try await entries(of: listed, after: position.after, shape)
        var next = position
        if let after = page.next?.after { next.after = after }
        return DifferencePage(
            counts: position.counts, members: page.members, from: fromVersions, to: toVersions,
            next: page.next == nil ? nil : next)
    }

    private func difference(from: DifferenceSide, to: DifferenceSide) async throws -> Difference {
        guard from.at != nil || to.at != nil else {
            let proved = try await read(.several([from.subject, to.subject]))
            let sets = proved.evaluations.map { $0.members() }
            var difference = Difference(from: sets[0], to: sets[1], proved.versions, proved.versions)
            difference.canBeFoundAgain = proved.plan.hasHistory
            return difference
        }
        let (before, after) = (try await side(from), try await side(to))
        var difference = Difference(
            from: before.members, to: after.members, before.versions, after.versions)
        difference.canBeFoundAgain = before.hasHistory && after.hasHistory
        let everyone = try await read(.filter(.everyone)).state.everyone.members
        // The users of an earlier state count as those whom they have become.
        let present = (
            try await self.present(before.members, among: everyone),
            try await self.present(after.members, among: everyone)
        )
        if present.0 != before.members || present.1 != after.members {
            difference = Difference(from: present.0, to: present.1, before.versions, after.versions)
        }
        return difference
    }

    private func side(_ side: DifferenceSide) async throws -> (members: MemberSet, versions: Versions, hasHistory: Bool)
    {
        let question = Question.several([side.subject])
        if let versions = side.at {
            let past = try await VersionNotKept.naming(side.atField) {
                try await members(of: question, at: versions, sets: nil, field: side.atField)
            }
            return (past.members, past.pinned, true)
        }
        let proved = try await read(question)
        return (proved.evaluations.first?.members() ?? [], proved.versions, proved.plan.hasHistory)
    }

    /// The users of a set who are still there; merged ones as the kept user.
    private func present(_ set: MemberSet, among everyone: MemberSet) async throws -> MemberSet {
        let gone = set.subtracting(everyone)
        guard !gone.isEmpty else { return set }
        let kept = try await readTransaction { transaction in try transaction.kept(for: gone.users, in: set) }
        return set.subtracting(gone).union(MemberSet(users: Array(kept.values)).intersection(everyone))
    }
}

/// Two sets of users.
private struct Difference {
    let from: MemberSet
    let to: MemberSet
    let fromVersions: Versions
    let toVersions: Versions
    let counts: DifferenceCounts
    /// Whether the versions alone lead to the same sets again.
    var canBeFoundAgain = false

    init(from: MemberSet, to: MemberSet, _ fromVersions: Versions, _ toVersions: Versions) {
        (self.from, self.to) = (from, to)
        (self.fromVersions, self.toVersions) = (fromVersions, toVersions)
        let stayed = from.intersection(to).count
        counts = DifferenceCounts(entered: to.count - stayed, left: from.count - stayed, stayed: stayed)
    }

    func members(of list: DifferenceList) -> MemberSet {
        switch list {
        case .entered: to.subtracting(from)
        case .left: from.subtracting(to)
        case .stayed: from.intersection(to)
        }
    }
}
