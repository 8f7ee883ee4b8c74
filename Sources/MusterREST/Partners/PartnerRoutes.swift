import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHandlers
import MusterProtocol

/// The routes of partners, who prove who they are in the body. Credentials are judged before anything else that was sent.
struct PartnerRoutes {
    let desk: AccessDesk
    let gate: PartnerGate

    func add(to routes: Router<RESTContext>, _ all: RESTRoutes) {
        routes.post("/partners/:partner/cohorts/users") { request, context in
            await all.answerVisit { visit in
                try await change(request, try context.parameters.decoded("partner"), visit)
            }
        }
        routes.post("/partners/:partner/cohorts") { request, context in
            await all.answerVisit { visit in
                try await name(request, try context.parameters.decoded("partner"), visit)
            }
        }
        routes.get("/partners/:partner/cohorts/imports") { request, context in
            await all.answerVisit { visit in
                let partner = try await admit(
                    try PartnerCredentials(request), as: try context.parameters.decoded("partner"),
                    visit)
                try Query(request).expectNone()
                return try await receipt(named: try request.idempotencyKey(), for: partner)
            }
        }
        routes.get("/partners/:partner/cohorts/imports/:import") { request, context in
            await all.answerVisit { visit in
                let partner = try await admit(
                    try PartnerCredentials(request), as: try context.parameters.decoded("partner"),
                    visit)
                try Query(request).expectNone()
                return try await receipt(of: try context.parameters.decoded("import"), for: partner)
            }
        }
    }

    /// Names a cohort, or renames it.
    private func name(_ request: Request, _ partner: String, _ visit: Visit) async throws -> RESTAnswer {
        let (partner, body) = try await open(request, as: partner, visit, NameBody.self)
        _ = try await partner.send(
            CreateCohort(
                partner: partner.partner, cohortID: body.cohortID, name: body.name, createdAt: body.createdAt))
        return RESTAnswer(.created, Message.success)
    }

    /// Changes the members of a cohort.
    private func change(_ request: Request, _ partner: String, _ visit: Visit) async throws -> RESTAnswer {
        let (partner, body) = try await open(request, as: partner, visit, ChangeBody.self)
        let requestID = try request.idempotencyKey()
        guard body.identifierCount <= Limits.restImportIdentifiers.value else {
            throw Refusal(
                .badRequest, .tooMany, field: "cohort_changes", limit: Limits.restImportIdentifiers,
                PartnerWords.tooMany,
                errors: [
                    "cohort_changes has \(body.identifierCount) identifiers; send at most "
                        + "\(Limits.restImportIdentifiers.value) in one request (\(Limits.restImportIdentifiers.name))"
                ])
        }
        let reply = try await partner.send(
            ImportCohort(
                partner: partner.partner, cohortID: body.cohortID, requestID: requestID, changes: body.changes,
                mustExist: body.mustExist))
        return RESTAnswer(.created, Imported(import: ImportBody(reply, of: body.cohortID)))
    }

    /// An import as it was recorded.
    private func receipt(of id: String, for partner: PartnerCaller) async throws -> RESTAnswer {
        guard let name = ImportName(id) else { throw Self.unknown }
        return try await receipt(
            of: ListImports(partner: partner.partner, cohortID: name.cohortID, version: name.version), for: partner)
    }

    /// The import that was sent under this name.
    private func receipt(named name: Identifier?, for partner: PartnerCaller) async throws -> RESTAnswer {
        guard let name else {
            throw Refusal(
                .badRequest, .missing, field: "Idempotency-Key",
                "`Idempotency-Key` must name the import to be shown")
        }
        return try await receipt(of: ListImports(partner: partner.partner, requestID: name), for: partner)
    }

    private func receipt(of call: ListImports, for partner: PartnerCaller) async throws -> RESTAnswer {
        do {
            guard let recorded = try await partner.send(call).imports.first else { throw Self.unknown }
            return RESTAnswer(.ok, Imported(import: ImportBody(recorded)))
        } catch let refusal as Refusal where refusal.status == .notFound {
            throw Self.unknown  // the call's own sentence is about the RPC
        }
    }

    private static let unknown = Refusal(.notFound, .unknownImport, "there is no such import")

    /// The partner of a request and what it wants: in this order, so that nobody learns anything of a request who may not send it.
    private func open<Body: Decodable & Sendable>(
        _ request: Request, as partner: String, _ visit: Visit, _: Body.Type
    ) async throws -> (PartnerCaller, Body) {
        let (credentials, body) = try await request.json { value in
            (try PartnerCredentials(value), Result { try JSONDecoding.decode(Body.self, from: value) })
        }
        let caller = try await admit(credentials, as: partner, visit)
        do { return (caller, try body.get()) } catch let error as JSONError {
            var refusal = PartnerWords.content(RPCError(error))
            refusal.isOfBody = true
            throw refusal
        }
    }

    private func admit(
        _ credentials: PartnerCredentials, as partner: String, _ visit: Visit
    ) async throws -> PartnerCaller {
        let caller = try await PartnerCaller(credentials, as: partner, desk, gate)
        try visit.count(caller.session)
        return caller
    }
}
