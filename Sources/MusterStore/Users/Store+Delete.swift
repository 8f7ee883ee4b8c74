public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

extension Store {
    /// Erases users, out of every set too. A user who is named twice is one deleted user; `unknown` counts the
    /// references that find nobody.
    ///
    /// With a journal, returns when they are in it, also where the erasure was answered before. Throws
    /// `JournalUnavailable` where nothing was erased, and `NotJournalled`.
    public func deleteUsers(
        _ users: [UserReference], request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> DeleteUsers.Reply {
        let (cache, journals) = (cache, journal != nil)
        try await journal?.check(deadline: deadline)
        defer { forgetWhatWasRead(in: workspace) }
        let reply = try await recorded(request, in: workspace, deadline: deadline) { connection in
            let everyone = try connection.takeIdentity(in: workspace)
            let found = try connection.find(users, in: workspace)
            let numbers = Set(found.compactMap(\.self)).sorted()
            if journals { try connection.noteErasures(of: numbers, in: workspace, at: .now) }
            return WriteResult(
                reply: DeleteUsers.Reply(deleted: numbers.count, unknown: found.count { $0 == nil }),
                sets: try connection.erase(numbers, under: everyone, in: workspace, cache: cache))
        }
        do { try await journalErasures(in: workspace, deadline: deadline) } catch {
            throw error is CancellationError ? error : NotJournalled()
        }
        return reply
    }
}

extension WorkspaceTransaction {
    /// Out of every set, with events and identifiers.
    borrowing func erase(
        _ numbers: [UserNumber], under everyone: LockedHead, in workspace: WorkspaceID, cache: SetCache
    ) throws -> [SetKey: SetState] {
        guard !numbers.isEmpty else { return [:] }
        // Who had an attribute is in the bitmaps that are cached under the version of all attributes.
        let hadAttributes = try attributes(of: numbers, in: workspace).values.contains { $0 != Array("{}".utf8) }
        let haveEvents = try haveEvents(numbers, in: workspace)
        let left = try remove(
            MemberSet(users: numbers), keeping: nil, from: everyone,
            raisingAttributes: hadAttributes, raisingEvents: haveEvents, in: workspace, at: .now, cache: cache)
        if haveEvents { try eraseEvents(of: numbers, in: workspace) }
        // Aliases and devices go with their user.
        try execute(
            "DELETE FROM registered_user WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))")
        return left.known
    }
}
