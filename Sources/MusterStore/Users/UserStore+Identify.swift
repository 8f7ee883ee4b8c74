public import MusterProtocol
import MusterUsers
import Postgres

extension UserStore {
    /// Gives an anonymous user an external id, or merges it into the user who has that id, if `mergeWhen` allows it.
    /// Throws `UserRefusal`.
    public func identify(
        _ user: UserReference, as externalID: Identifier, mergeWhen: MergeWhen = .always, request: IdempotencyKey
    ) async throws -> IdentifyUser.Reply {
        let (cache, keys) = (store.cache, store.digestKeys)
        defer { forgetWhatWasRead() }
        return try await withIdempotency(request) { transaction in
            let everyone = try transaction.takeIdentity()
            let found = try transaction.find([user, .externalID(externalID)])
            guard let number = found[0] else { throw UserRefusal.unknown("user") }
            if found[1] == number { return WriteResult(reply: IdentifyUser.Reply(outcome: .unchanged)) }
            guard try transaction.isAnonymous(number) else { throw UserRefusal.otherExternalID }
            if let holder = found[1] {
                guard try transaction.joins(number, holder, mergeWhen) else {
                    return WriteResult(reply: IdentifyUser.Reply(outcome: .keptApart))
                }
                return WriteResult(
                    reply: IdentifyUser.Reply(outcome: .merged),
                    sets: try transaction.join(
                        number, into: holder, under: everyone, cache: cache, keys: keys
                    ).known)
            }
            try transaction.setExternalID(externalID, of: number)
            var changes = IdentifierChanges()
            changes.note(.externalID(externalID), finds: number)
            try transaction.raiseIdentifiers(changes, under: everyone, keys: keys)
            return WriteResult(reply: IdentifyUser.Reply(outcome: .identified))
        }
    }
}

extension WorkspaceTransaction {
    fileprivate borrowing func joins(_ one: UserNumber, _ other: UserNumber, _ mergeWhen: MergeWhen) throws -> Bool {
        switch mergeWhen {
        case .always: return true
        case .never: return false
        case .labelsDiffer:
            // A user has at most one alias per label, so a label that occurs twice belongs to both users.
            return try first(
                """
                SELECT count(*) = count(DISTINCT alias_label) FROM user_alias
                WHERE workspace_id = \(workspace) AND user_number IN (\(one), \(other))
                """
            ) { row in try row.value(0, as: Bool.self) } ?? true
        }
    }

    fileprivate borrowing func isAnonymous(_ number: UserNumber) throws -> Bool {
        try first(
            """
            SELECT external_id IS NULL FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number = \(number)
            """
        ) { row in try row.value(0, as: Bool.self) } ?? false
    }

    fileprivate borrowing func setExternalID(_ id: Identifier, of number: UserNumber) throws {
        try execute(
            """
            UPDATE registered_user SET external_id = \(id), updated_at = \(Instant.now)
            WHERE workspace_id = \(workspace) AND user_number = \(number)
            """)
    }
}
