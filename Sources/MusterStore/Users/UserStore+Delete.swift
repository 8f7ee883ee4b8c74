public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

extension UserStore {
    /// Erases users, also from every set. A user who is named twice counts once. `unknown` counts the references that
    /// match no user.
    ///
    /// With a journal, returns when they are in it, also for a repeat. Throws `JournalUnavailable` if nothing was
    /// erased, and `NotJournalled` if the erasure is not in the journal yet.
    public func delete(_ users: [UserReference], request: IdempotencyKey) async throws -> DeleteUsers.Reply {
        let (cache, keys, journals) = (store.cache, store.digestKeys, store.journal != nil)
        try await store.journal?.check(deadline: scope.deadline)
        defer { forgetWhatWasRead() }
        let reply = try await withIdempotency(request) { transaction in
            let everyone = try transaction.takeIdentity()
            let found = try transaction.find(users)
            let numbers = Set(found.compactMap(\.self)).sorted()
            if journals { try transaction.noteErasures(of: numbers, at: .now) }
            return WriteResult(
                reply: DeleteUsers.Reply(deleted: numbers.count, unknown: found.count { $0 == nil }),
                sets: try transaction.erase(numbers, under: everyone, cache: cache, keys: keys))
        }
        do { try await stores.erasures.journal() } catch {
            throw error is CancellationError ? error : NotJournalled()
        }
        return reply
    }
}

extension WorkspaceTransaction {
    /// Deletes users from every set, with their events and identifiers.
    borrowing func erase(
        _ numbers: [UserNumber], under everyone: LockedHead, cache: SetCache, keys: IdentifierDigestKeys
    ) throws -> [SetKey: SetState] {
        guard !numbers.isEmpty else { return [:] }
        // Bitmaps that are cached under the version of all attributes contain the users who had one.
        let hadAttributes = try attributes(of: numbers).values.contains { $0 != Array("{}".utf8) }
        let haveEvents = try haveEvents(numbers)
        let held = try identifiers(of: numbers)
        let left = try remove(
            MemberSet(users: numbers), keeping: nil, from: everyone,
            raisingAttributes: hadAttributes, raisingEvents: haveEvents,
            identifiers: IdentifierChanges(erasing: held), at: .now, cache: cache, keys: keys)
        if haveEvents { try eraseEvents(of: numbers) }
        // Aliases and devices are deleted with their user.
        try execute(
            "DELETE FROM registered_user WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))")
        return left.known
    }
}
