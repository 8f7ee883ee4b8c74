public import MusterProtocol
import MusterStore

extension CohortHandlers {
    /// `cohorts.imports`
    public func imports(_ call: ListImports, _ context: CallContext) async throws -> ListImports.Reply {
        try context.requireOwn(partner: call.partner)
        if call.version != nil, call.requestID != nil {
            throw RPCError(
                .invalidArgument, .conflict, field: "version", "version and request_id exclude each other: name one")
        }
        guard let cohortID = call.cohortID else { return try await importsOfPartner(call, context) }
        let cohort = try reference(call.partner, cohortID)
        func find(_ selection: ImportSelection, _ limit: Int) async throws -> [ImportInfo] {
            let found = try await store.in(context.scope).cohorts.imports(of: cohort, selection, limit: limit)
            guard let found else { throw unknownCohort() }
            return found
        }
        if let one = call.version.map(ImportSelection.version) ?? call.requestID.map(ImportSelection.requestID) {
            let found = try await find(one, 1)
            guard !found.isEmpty else {
                throw RPCError(
                    .notFound, .unknownImport, field: call.version == nil ? "request_id" : "version",
                    "this cohort has no such import; leave version and request_id out to list them")
            }
            return .init(imports: found)
        }
        let (imports, next) = try await PageTokens(store, context).page(of: call) {
            CohortImportPosition(version: $0.version)
        } find: { after, limit in
            try await find(.before(after?.version), limit)
        }
        return .init(imports: imports, nextPageToken: next)
    }

    /// Lists the imports into all cohorts of the partner.
    private func importsOfPartner(_ call: ListImports, _ context: CallContext) async throws -> ListImports.Reply {
        try check(partner: call.partner)
        guard call.version == nil else {
            throw RPCError.invalid("version", .conflict, "needs cohort_id: each cohort counts its own")
        }
        if let requestID = call.requestID {
            let found = try await store.in(context.scope).cohorts.importNamed(requestID, of: call.partner)
            guard let found else {
                throw RPCError(
                    .notFound, .unknownImport, field: "request_id",
                    "this partner has no import of this request_id, or its cohort was deleted")
            }
            return .init(imports: [found])
        }
        let (imports, next) = try await PageTokens(store, context).page(of: call, position: \.position) {
            after, limit in
            let found = try await store.in(context.scope).cohorts.imports(of: call.partner, after: after, limit: limit)
            guard let found else { throw unknownPartner() }
            return found
        }
        return .init(imports: imports.map(\.info), nextPageToken: next)
    }
}

/// The import of a cohort after which a page begins. The newest come first.
private struct CohortImportPosition: Codable {
    var version: Int64
}
