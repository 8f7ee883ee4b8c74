import MusterProtocol
import MusterSets
import Postgres

extension AudienceStore {
    /// Stores the result of a filter that can't be recomputed, for its next pages. Any server finds it there, for any
    /// caller.
    func storeListing(_ members: MemberSet) async throws -> Int32 {
        let expires = Instant.now + .seconds(Limits.listingSeconds.value)
        return try await transaction { transaction in
            try transaction.insertListing(members, expires: expires)
        }
    }

    /// Loads a stored listing. Throws `ListingExpired` if it is expired or missing.
    func storedListing(_ number: Int32) async throws -> MemberSet {
        let set = SetKey(workspace: workspace, number: number)
        let alive = try await read(
            """
            SELECT 1 FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(number) AND kind = 'listing'
                AND expires_at > \(Instant.now)
            """
        ) { row in try row.value(0, as: Int32.self) }
        guard !alive.isEmpty else { throw ListingExpired() }
        if let cached = cache[set] { return cached.members }
        let state = try await readTransaction { transaction in
            try transaction.load([number])[number]
        }
        guard let state else { throw ListingExpired() }
        cache.put(state, for: set)
        return state.members
    }
}

extension WorkspaceTransaction {
    /// Stores a listing and returns the number of its set.
    borrowing func insertListing(_ members: MemberSet, expires: Instant) throws -> Int32 {
        let version = SetVersion.none.next()
        let number = try first(
            """
            INSERT INTO set_head (workspace_id, kind, version, tag, size, expires_at)
            VALUES (\(workspace), 'listing', \(version.version), \(version.tag), \(Int64(members.count)), \(expires))
            RETURNING set_number
            """
        ) { row in try row.value(0, as: Int32.self) }
        guard let number else { throw ListingExpired() }
        let set = SetKey(workspace: workspace, number: number)
        try writeSnapshot(of: set, SetState(at: version, members: members), replacing: nil)
        return number
    }
}
