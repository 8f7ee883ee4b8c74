public import MusterProtocol
import MusterSets
import Postgres

/// The position at which a listing of one cohort continues.
public struct CohortPosition: Codable, Sendable, Equatable {
    /// The set behind the cohort. A deleted and recreated cohort has another one.
    public var set: Int32
    public var atVersion: Int64
    /// In a difference: true while the users who left are listed, after those who entered.
    public var left: Bool
    public var after: UInt32?

    enum CodingKeys: String, CodingKey {
        case set = "s"
        case atVersion = "v"
        case left = "l"
        case after = "a"
    }
}

/// A page of users in a listing of one cohort.
public struct CohortPage: Sendable {
    public var members: [Member]
    /// In a difference: the users who left.
    public var left: [Member] = []
    public var size: Int
    public var atVersion: Int64
    public var next: CohortPosition?
}

extension AudienceStore {
    /// A page of a cohort's members; nil if there is no such cohort. Throws `VersionNotKept`.
    public func members(
        of cohort: CohortReference, at version: Int64?, position: CohortPosition?, shape: PageShape
    ) async throws -> CohortPage? {
        let set = try await currentSet(of: cohort, at: [version], position)
        guard let set else { return nil }
        let state = try await VersionNotKept.naming(position == nil ? "at_version" : "page_token") {
            try await self.state(of: set.key, at: set.versions[0])
        }
        let page = try await entries(of: state.members, after: position?.after, shape)
        return CohortPage(
            members: page.members, size: page.size, atVersion: state.at.version,
            next: page.next.map {
                CohortPosition(set: set.key.number, atVersion: state.at.version, left: false, after: $0.after)
            })
    }

    /// A page of the users who entered a cohort between two versions, followed by those who left. Nil if there is no
    /// such cohort.
    public func difference(
        of cohort: CohortReference, from: Int64, to: Int64?, position: CohortPosition?, shape: PageShape
    ) async throws -> CohortPage? {
        let set = try await currentSet(of: cohort, at: [from, to], position)
        guard let set else { return nil }
        let later = try await VersionNotKept.naming(position == nil ? "at_version" : "page_token") {
            try await self.state(of: set.key, at: set.versions[1])
        }
        guard from >= 0, from <= later.at.version else { throw VersionNotKept(field: "from_version") }
        let earlier = try await VersionNotKept.naming("from_version") {
            try await state(of: set.key, at: set.versions[0])
        }
        let entered = later.members.subtracting(earlier.members)
        let left = earlier.members.subtracting(later.members)
        let isLeft = position?.left ?? false
        let page = try await entries(of: isLeft ? left : entered, after: position?.after, shape)
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

    /// A version of a set, with its tag if the log has it.
    private typealias WantedVersion = (version: Int64, tag: Int64?)

    private func state(of set: SetKey, at wanted: WantedVersion) async throws -> SetState {
        try await state(of: set, at: wanted.version, tag: wanted.tag)
    }

    /// The set of a cohort and its requested versions; a nil version means the current one. Throws if an earlier page
    /// was of another set.
    private func currentSet(
        of cohort: CohortReference, at versions: [Int64?], _ position: CohortPosition?
    ) async throws -> (key: SetKey, versions: [WantedVersion])? {
        let found = try await read(
            """
            SELECT h.set_number, coalesce(w.version, h.version),
                CASE WHEN coalesce(w.version, h.version) = h.version THEN h.tag ELSE x.previous_tag END
            FROM cohort c
            JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
            CROSS JOIN unnest(\(versions)) WITH ORDINALITY w (version, position)
            LEFT JOIN set_change x ON x.workspace_id = \(workspace) AND x.set_number = c.set_number
                AND x.version = w.version + 1
            WHERE c.workspace_id = \(workspace) AND c.partner = \(cohort.partner) AND c.cohort_id = \(cohort.cohortID)
            ORDER BY w.position
            """
        ) { row in
            (
                number: try row.value(0, as: Int32.self),
                wanted: (version: try row.value(1, as: Int64.self), tag: try row.value(2, as: Int64?.self))
            )
        }
        guard let number = found.first?.number else { return nil }
        if let position, position.set != number { throw VersionNotKept(field: "page_token") }
        return (SetKey(workspace: workspace, number: number), found.map(\.wanted))
    }
}
