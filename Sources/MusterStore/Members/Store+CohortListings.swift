public import MusterProtocol
import MusterSets
import Postgres

/// Where a listing of one cohort goes on.
public struct CohortPosition: Codable, Sendable, Equatable {
    /// The set behind the cohort: one that was deleted and made again has another.
    public var set: Int32
    public var atVersion: Int64
    /// Of a difference: those who left are being listed, those who entered are done.
    public var left: Bool
    public var after: UInt32?

    enum CodingKeys: String, CodingKey {
        case set = "s"
        case atVersion = "v"
        case left = "l"
        case after = "a"
    }
}

/// Users of a listing of one cohort.
public struct CohortPage: Sendable {
    public var members: [Member]
    /// Of a difference: those who left.
    public var left: [Member] = []
    public var size: Int
    public var atVersion: Int64
    public var next: CohortPosition?
}

extension Store {
    /// A page of a cohort's members; nil where there is no such cohort. Throws `VersionNotKept`.
    public func members(
        of cohort: CohortReference, at version: Int64?, position: CohortPosition?, shape: PageShape,
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> CohortPage? {
        guard let set = try await currentSet(of: cohort, position, in: workspace, deadline: deadline) else {
            return nil
        }
        let state = try await state(of: set.key, at: version ?? set.version, deadline: deadline)
        let page = try await entries(of: state.members, after: position?.after, shape, workspace, deadline)
        return CohortPage(
            members: page.members, size: page.size, atVersion: state.at.version,
            next: page.next.map {
                CohortPosition(set: set.key.number, atVersion: state.at.version, left: false, after: $0.after)
            })
    }

    /// A page of who entered a cohort between two versions, and after all of them who left; nil where there is no such cohort.
    public func difference(
        of cohort: CohortReference, from: Int64, to: Int64?, position: CohortPosition?, shape: PageShape,
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> CohortPage? {
        guard let set = try await currentSet(of: cohort, position, in: workspace, deadline: deadline) else {
            return nil
        }
        let later = try await state(of: set.key, at: to ?? set.version, deadline: deadline)
        guard from >= 0, from <= later.at.version else { throw VersionNotKept() }
        let earlier = try await state(of: set.key, at: from, deadline: deadline)
        let entered = later.members.subtracting(earlier.members)
        let left = earlier.members.subtracting(later.members)
        let isLeft = position?.left ?? false
        let page = try await entries(
            of: isLeft ? left : entered, after: position?.after, shape, workspace, deadline)
        var next = page.next.map {
            CohortPosition(set: set.key.number, atVersion: later.at.version, left: isLeft, after: $0.after)
        }
        if next == nil, !isLeft, !left.isEmpty {
            next = CohortPosition(set: set.key.number, atVersion: later.at.version, left: true, after: nil)
        }
        return CohortPage(
            members: isLeft ? [] : page.members, left: isLeft ? page.members : [], size: entered.count + left.count,
            atVersion: later.at.version, next: next)
    }

    /// The set of a cohort and its version now. Throws where a page was begun on another set.
    private func currentSet(
        of cohort: CohortReference, _ position: CohortPosition?, in workspace: WorkspaceID,
        deadline: ContinuousClock.Instant
    ) async throws -> (key: SetKey, version: Int64)? {
        let found = try await read(
            in: workspace, deadline: deadline,
            """
            SELECT h.set_number, h.version FROM cohort c
            JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
            WHERE c.workspace_id = \(workspace) AND c.partner = \(cohort.partner) AND c.cohort_id = \(cohort.cohortID)
            """
        ) { row in
            (key: SetKey(workspace: workspace, number: try row.value(0)), version: try row.value(1, as: Int64.self))
        }
        guard let set = found.first else { return nil }
        if let position, position.set != set.key.number { throw VersionNotKept() }
        return set
    }
}
