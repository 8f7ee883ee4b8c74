public import MusterProtocol
public import MusterStore

/// Handles cohorts, their imports and receipts.
public struct CohortHandlers: Sendable {
    let store: Store

    /// Serves the cohorts of this store.
    public init(store: Store) {
        self.store = store
    }

    /// `cohorts.create`
    public func create(_ call: CreateCohort, _ context: CallContext) async throws -> CreateCohort.Reply {
        try context.requireOwn(partner: call.partner)
        let cohort = try reference(call.partner, call.cohortID)
        try check(name: call.name, "name")
        let answer = try await store.in(context.scope).cohorts.create(
            cohort, name: call.name, createdAt: call.createdAt)
        switch answer {
        case .done(let reply): return reply
        case .unknownPartner: throw unknownPartner()
        }
    }

    /// `cohorts.import`
    public func `import`(_ call: ImportCohort, _ context: CallContext) async throws -> ImportCohort.Reply {
        try context.requireOwn(partner: call.partner)
        let cohort = try reference(call.partner, call.cohortID)
        try check(requestID: call.requestID)
        try requireFitting(call.changes)
        var payload = call
        payload.withOutcomes = nil
        payload.mustExist = call.mustExist == true ? true : nil  // false says what absence says
        let request = ImportRequest(
            cohort: cohort, requestID: call.requestID, changes: call.changes, digest: try PayloadDigest.of(payload),
            keyID: context.session.keyID, mustExist: call.mustExist ?? false)
        let answer = try await store.in(context.scope).cohorts.import(request)
        let reply = try reply(answer, withOutcomes: call.withOutcomes ?? false)
        store.counts.imported(reply.receipt)
        return reply
    }

    /// `cohorts.get`
    public func get(_ call: GetCohort, _ context: CallContext) async throws -> CohortInfo {
        let cohort = try reference(call.partner, call.cohortID)
        let found = try await store.in(context.scope).cohorts.get(cohort)
        guard let found else { throw unknownCohort() }
        return found
    }

    /// `cohorts.list`
    public func list(_ call: ListCohorts, _ context: CallContext) async throws -> ListCohorts.Reply {
        if let partner = call.partner { try check(partner: partner) }
        let (cohorts, next) = try await PageTokens(store, context).page(of: call) {
            CohortReference(partner: $0.partner, cohortID: $0.cohortID)
        } find: { after, limit in
            try await store.in(context.scope).cohorts.list(
                of: call.partner, nameContains: call.nameContains, after: after, limit: limit)
        }
        return .init(cohorts: cohorts, nextPageToken: next)
    }

    /// `cohorts.delete`
    public func delete(_ call: DeleteCohort, _ context: CallContext) async throws -> Done {
        let cohort = try reference(call.partner, call.cohortID)
        let deletion = try await store.in(context.scope).cohorts.delete(cohort)
        guard deletion != .unknown else { throw unknownCohort() }
        try deletion.requireUnused("cohort")
        return Done()
    }

    private func requireFitting(_ changes: [CohortChange]) throws {
        try check(changes.count, "objects", of: "cohort_changes", atMost: Limits.importChanges)
        let count = changes.reduce(0) { $0 + $1.identifierCount }
        try check(count, "identifiers", of: "cohort_changes", atMost: Limits.importIdentifiers)
    }

    private func reply(_ answer: ImportAnswer, withOutcomes: Bool) throws -> ImportCohort.Reply {
        switch answer {
        case .applied(let version, let size, let outcomes):
            return .init(
                version: version, size: size, receipt: Receipt(outcomes), outcomes: withOutcomes ? outcomes : nil)
        case .empty(let version, let size):
            return .init(version: version, size: size, receipt: Receipt(), outcomes: withOutcomes ? [] : nil)
        case .unknownPartner: throw unknownPartner()
        case .disabledPartner:
            throw RPCError(
                .failedPrecondition, .notEnabled, field: "partner",
                "this partner is not enabled; an operator can enable it with partners.set")
        case .unknownCohort:
            throw RPCError(
                .notFound, .unknownCohort, field: "cohort_id",
                "there is no such cohort of this partner, and must_exist is true: mend cohort_id, or make it with cohorts.create"
            )
        case .requestIDReused: throw RPCError.requestIDReused
        }
    }
}

extension CohortHandlers {
    func reference(_ partner: String, _ cohortID: Identifier) throws -> CohortReference {
        try check(partner: partner)
        try check(objectID: cohortID, "cohort_id")
        return CohortReference(partner: partner, cohortID: cohortID)
    }

    func unknownCohort() -> RPCError {
        RPCError(
            .notFound, .unknownCohort, field: "cohort_id",
            "there is no such cohort of this partner; cohorts.list shows those there are")
    }

    func unknownPartner() -> RPCError {
        RPCError(
            .notFound, .unknownPartner, field: "partner", "there is no such partner; make it with partners.set")
    }
}

extension Deletion {
    /// Throws if segments use the object that was to be deleted.
    func requireUnused(_ what: String) throws {
        guard case .used(let users) = self else { return }
        let names = users.prefix(10).map { "\"\($0.text)\"" }.joined(separator: ", ")
        let more = users.count > 10 ? " and \(users.count - 10) more" : ""
        throw RPCError(
            .failedPrecondition, .inUse, field: "\(what)_id",
            "segments use this \(what): \(names)\(more); change or delete them first")
    }
}
