import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHTTP
import MusterHandlers
import MusterProtocol

/// The routes of the user registry, for services.
struct UserRoutes {
    /// Nil if nothing is recorded.
    let splitRequests: SplitRequests?

    func add(to routes: RouterGroup<RESTContext>) {
        typealias Work = @Sendable (Request, Caller) async throws -> JSONResponse
        func post(_ path: RouterPath, _ work: @escaping Work) {
            routes.post(path) { request, context in try await work(request, context.caller) }
        }
        post("/users/track", Self.track)
        post("/users/track/bulk", Self.trackInBulk)
        post("/users/alias/new", Self.addAliases)
        post("/users/alias/update", Self.updateAliases)
        post("/users/identify") { try await identify($0, $1) }
        post("/users/merge") { try await merge($0, $1) }
        post("/users/delete", Self.delete)
        post("/users/external_ids/rename", Self.rename)
        post("/users/external_ids/remove", Self.remove)
    }

    @Sendable private static func track(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let body = try await request.body(TrackBody.self)
        if let field = body.array(longerThan: Limits.restTrackObjects.value) {
            throw tooMuch(field, Limits.restTrackObjects)
        }
        return try await answer(to: body, caller)
    }

    @Sendable private static func trackInBulk(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let bytes = try await request.bytes()
        guard bytes.count <= Limits.restBulkBody.value else {
            throw HTTPProblem(
                .contentTooLarge, .tooLong, limit: Limits.restBulkBody,
                "the body has more than \(Limits.restBulkBody.described)")
        }
        let body = try Request.json(in: bytes) { try JSONDecoding.decode(TrackBody.self, from: $0) }
        guard body.count <= Limits.trackObjects.value else { throw tooMuch(nil, Limits.trackObjects) }
        guard body.maxOfOneUser <= Limits.restBulkObjectsPerUser.value else {
            throw tooMuch(nil, Limits.restBulkObjectsPerUser)
        }
        return try await answer(to: body, caller)
    }

    private static func tooMuch(_ field: String?, _ limit: Limit) -> HTTPProblem {
        HTTPProblem(.badRequest, .tooMany, field: field, over: limit, words: "Max Input Length Exceeded")
    }

    private static func answer(to body: TrackBody, _ caller: Caller) async throws -> JSONResponse {
        let reply = try await caller.record(body.call)
        return Tracked(reply).map { JSONResponse(.created, $0) } ?? JSONResponse(.badRequest, Tracked(refused: reply))
    }

    @Sendable private static func addAliases(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let aliases = try await request.body(NewAliasBody.self).aliases.map(\.new)
        let reply = try await caller.record(AddAliases(userAliases: aliases))
        return JSONResponse(.created, AliasesProcessed(reply.results))
    }

    @Sendable private static func updateAliases(
        _ request: Request, _ caller: Caller
    ) async throws -> JSONResponse {
        let updates = try await request.body(AliasUpdateBody.self).updates
        let reply = try await caller.record(UpdateAliases(aliasUpdates: updates))
        return JSONResponse(.created, AliasesProcessed(updates, reply.results))
    }

    private func identify(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let calls = try await request.body(IdentifyBody.self).calls
        try await caller.sendEach(calls, splitRequests)
        return JSONResponse(.created, AliasesProcessed(count: calls.count))
    }

    private func merge(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        try await caller.sendEach(try await request.json { try MergeBody($0) }.calls, splitRequests)
        return JSONResponse(.accepted, Message.success)
    }

    @Sendable private static func delete(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let users = try await request.body(DeleteBody.self).users
        try requireFew(users.count)
        let reply = try await caller.record(DeleteUsers(users: users))
        return JSONResponse(.created, Deleted(deleted: reply.deleted))
    }

    @Sendable private static func rename(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let renames = try await request.body(RenameBody.self).renames.map {
            ExternalIDRename(current: $0.current.id, new: $0.new.id)
        }
        let reply = try await caller.record(RenameExternalIDs(renames: renames))
        return JSONResponse(.created, Renamed(renames, reply.results))
    }

    @Sendable private static func remove(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let ids = try await request.body(RemoveBody.self).externalIDs.map(\.id)
        let reply = try await caller.record(RemoveExternalIDs(externalIDs: ids))
        return JSONResponse(.created, Removed(ids, reply.results))
    }
}

/// Throws if a request has more entries than Braze allows.
private func requireFew(_ count: Int) throws {
    guard count <= Limits.registryEntries.value else {
        throw HTTPProblem(
            .badRequest, .tooMany, limit: Limits.registryEntries,
            "a single request may not contain more than \(Limits.registryEntries.described)")
    }
}

extension Caller {
    /// Sends calls one after the other, under the request's idempotency key if it has one.
    fileprivate func sendEach<C: RecordedCall>(_ calls: [C], _ requests: SplitRequests?) async throws {
        try requireFew(calls.count)
        guard let requests, let id = try requestID else { return try await sendEach(calls) }
        // A key must not use up ids for calls that it may not make. The calls themselves are counted; this check is not
        // a call.
        try await authorize(C.method)
        let deadline = incoming.deadline(Limits.restTime)
        guard let begun = try await requests.begin(calls, as: id, in: session, deadline: deadline) else { return }
        try await sendEach(begun)
        try await requests.end(calls, as: id, in: session, deadline: incoming.deadline(Limits.restTime))
    }

    /// Drops an entry that matches no user, or users that can't be joined, as Braze does, which answers before it
    /// looks.
    private func sendEach(_ calls: [some RecordedCall]) async throws {
        for call in calls {
            do { _ = try await send(call) } catch { guard error.concernsOneEntry else { throw error } }
        }
    }
}

extension RPCError {
    fileprivate var concernsOneEntry: Bool { [400, 404, 422].contains(HTTPProblem.status(of: code).code) }
}
