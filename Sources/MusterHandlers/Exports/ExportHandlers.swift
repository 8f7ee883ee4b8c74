import FoundationEssentials
public import MusterProtocol
public import MusterStore

/// Exports users, at once or as archives made in the background.
public struct ExportHandlers: Sendable {
    let store: Store
    let restURL: String?

    /// - Parameter restURL: the address that serves archives, if the operator set it.
    public init(store: Store, restURL: String?) {
        self.store = store
        self.restURL = restURL
    }

    /// `users.export.ids`
    public func users(_ call: ExportUsers, _ context: CallContext) async throws -> ExportUsers.Reply {
        try check(call.users.count, of: "users", atMost: Limits.exportUsers)
        let shape = ExportShape(fields: try Self.names(call.fieldsToExport, "fields_to_export"))
        return try await store.in(context.scope).exports.users(call.users, shape: shape)
    }

    /// `users.export.segment`
    public func segment(_ call: ExportSegment, _ context: CallContext) async throws -> ExportSegment.Reply {
        try check(objectID: call.segmentID, "segment_id")
        let shape = ExportShape(
            fields: try Self.names(call.fieldsToExport, "fields_to_export"),
            customAttributes: try Self.names(call.customAttributesToExport, "custom_attributes_to_export"))
        let workspace = store.in(context.scope)
        let key = try await workspace.pageTokenKey()
        let exportID = "\(UUID().uuidString.lowercased())-\(Instant.now.secondsSince1970)"
        let token = try ExportToken(of: exportID, in: context.session.workspaceID, key: key)
        let request = try IdempotencyKey(call)
        do {
            let begun = try await workspace.exports.begin(
                NewExport(exportID: exportID, segmentID: call.segmentID, tokenDigest: try token.digest, shape: shape),
                request: request)
            // A repeated request gets the export that the first one started.
            let path = try ExportToken(of: begun, in: context.session.workspaceID, key: key).path
            return .init(objectPrefix: begun, path: path, url: restURL.map { $0 + path })
        } catch let refusal as ExportRefusal { throw refusal.error(of: call.segmentID) }
    }

    /// `users.export.get`
    public func get(_ call: GetExport, _ context: CallContext) async throws -> GetExport.Reply {
        let found = try await store.in(context.scope).exports.get(.named(call.objectPrefix))
        guard let found else {
            throw RPCError(
                .notFound, .unknownExport, field: "object_prefix",
                "there is no export of this object_prefix, or none any more")
        }
        return .init(
            objectPrefix: Identifier(found.exportID), segmentID: found.segmentID, state: found.state,
            createdAt: found.createdAt, attempts: found.attempts, byteCount: found.byteCount,
            expiresAt: found.expiresAt)
    }

    /// `users.export.cancel`
    public func cancel(_ call: CancelExport, _ context: CallContext) async throws -> Done {
        try check(objectID: call.segmentID, "segment_id")
        let request = try IdempotencyKey(call)
        do {
            return try await store.in(context.scope).exports.cancel(of: call.segmentID, request: request)
        } catch let refusal as ExportRefusal { throw refusal.error(of: call.segmentID) }
    }

    /// An empty list counts as absent: an export without fields would be useless.
    private static func names(_ names: [Identifier]?, _ field: String) throws -> [Identifier]? {
        guard let names, !names.isEmpty else { return nil }
        try check(names.count, of: field, atMost: Limits.exportFields)
        return names
    }
}

extension ExportRefusal {
    /// Maps the refusal to the error that the caller sees.
    fileprivate func error(of segmentID: Identifier) -> any Error {
        switch self {
        case .unknownSegment: FilterFault.unknownSegment(segmentID)
        case .isBeingExported:
            RPCError(
                .resourceExhausted, .inProgress, field: "segment_id",
                "segment_id is of a segment that is being exported already; wait for the end of that export, or cancel it",
                details: Self.pause)
        case .tooMany:
            RPCError(
                .resourceExhausted, .tooMany, limit: Limits.exportsUnfinished,
                "the workspace has \(Limits.exportsUnfinished.value) exports that are not done "
                    + "(\(Limits.exportsUnfinished.name))", details: Self.pause)
        case .notBeingExported:
            RPCError(.notFound, .unknownExport, field: "segment_id", "no export of this segment is waiting or running")
        }
    }

    private static let pause: RPCError.Details = ["retry_after_ms": 10_000]
}
