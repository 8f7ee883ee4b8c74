import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHTTP
import MusterHandlers
import MusterProtocol

/// The routes of partners. Their key is in the body or, without a body, in a header.
struct PartnerRoutes {
    func add(to partners: (@escaping PartnerAuthentication.Read) -> RouterGroup<RESTContext>) {
        partners(PartnerAuthentication.inBody(of: CreateCohortRequest.self)).post("", use: createCohort)
        partners(PartnerAuthentication.inBody(of: ImportCohortRequest.self)).post("users", use: importCohort)
        partners(PartnerAuthentication.inHeaders).get("imports", use: importByName)
        partners(PartnerAuthentication.inHeaders).get("imports/:import", use: importByID)
    }

    /// Creates a cohort, or renames it.
    @Sendable private func createCohort(_: Request, _ context: RESTContext) async throws -> JSONResponse {
        let body = try context.body(as: CreateCohortRequest.self)
        _ = try await context.caller.send(
            CreateCohort(
                partner: try context.partner, cohortID: body.cohortID, name: body.name, createdAt: body.createdAt))
        return JSONResponse(.created, Message.success)
    }

    /// Changes the members of a cohort.
    @Sendable private func importCohort(_: Request, _ context: RESTContext) async throws -> JSONResponse {
        let (caller, body) = (try context.caller, try context.body(as: ImportCohortRequest.self))
        let requestID = try caller.requestID
        guard body.identifierCount <= Limits.restImportIdentifiers.value else {
            throw HTTPProblem(
                .badRequest, .tooMany, field: "cohort_changes", limit: Limits.restImportIdentifiers,
                BrazePartnerErrors.tooMany,
                errors: [
                    "cohort_changes has \(body.identifierCount) identifiers; send at most "
                        + "\(Limits.restImportIdentifiers.value) in one request (\(Limits.restImportIdentifiers.name))"
                ])
        }
        let reply = try await caller.send(
            ImportCohort(
                partner: try context.partner, cohortID: body.cohortID, requestID: requestID, changes: body.changes,
                mustExist: body.mustExist))
        return JSONResponse(.created, Imported(import: ImportBody(reply, of: body.cohortID)))
    }

    /// The import that was sent under an `Idempotency-Key`.
    @Sendable private func importByName(_ request: Request, _ context: RESTContext) async throws -> JSONResponse {
        try Query(request).expectNone()
        guard let name = try context.caller.requestID else {
            throw HTTPProblem(
                .badRequest, .missing, field: "Idempotency-Key",
                "`Idempotency-Key` must name the import to be shown")
        }
        return try await receipt(of: ListImports(partner: try context.partner, requestID: name), context)
    }

    /// An import by the `id` that its response had.
    @Sendable private func importByID(_ request: Request, _ context: RESTContext) async throws -> JSONResponse {
        try Query(request).expectNone()
        guard let name = ImportName(try context.parameters.decoded("import")) else { throw Self.unknown }
        return try await receipt(
            of: ListImports(partner: try context.partner, cohortID: name.cohortID, version: name.version), context)
    }

    private func receipt(of call: ListImports, _ context: RESTContext) async throws -> JSONResponse {
        do {
            guard let recorded = try await context.caller.send(call).imports.first else { throw Self.unknown }
            return JSONResponse(.ok, Imported(import: ImportBody(recorded)))
        } catch let error as RPCError where error.code == .notFound {
            throw Self.unknown  // the call's own sentence is about the RPC
        }
    }

    private static let unknown = HTTPProblem(.notFound, .unknownImport, "there is no such import")
}

extension RESTContext {
    /// The partner in the path; the caller is authenticated for it.
    fileprivate var partner: String { get throws { try parameters.decoded("partner") } }
}
