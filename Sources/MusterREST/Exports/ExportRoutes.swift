import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHandlers
import MusterListener
import MusterProtocol
import MusterStore
import NIOCore

/// Exports of users: at once, and as archives.
struct ExportRoutes {
    let archives: ExportArchives?
    /// Of addresses of archives, where the operator hasn't said what they begin with.
    let scheme: String

    func add(to routes: Router<RESTContext>, _ all: RESTRoutes) {
        routes.post("/users/export/ids") { request, _ in
            await all.answer(to: request) { caller in try await exportIDs(request, caller) }
        }
        routes.post("/users/export/segment") { request, _ in
            await all.answer(to: request) { caller in try await exportSegment(request, caller) }
        }
        routes.post("/export/segment/cancel") { request, _ in
            await all.answer(to: request) { caller in try await cancel(request, caller) }
        }
        routes.get("/exports/:file") { _, context in
            await fetch(try context.parameters.decoded("file"), all)
        }
    }

    private func exportIDs(_ request: Request, _ caller: ServiceCaller) async throws -> RESTAnswer {
        let body = try await request.json { try JSONDecoding.decode(ExportIDsBody.self, from: $0) }
        do {
            let reply = try await caller.send(ExportUsers(users: body.users, fieldsToExport: body.fieldsToExport))
            return RESTAnswer(.created, ExportedUsers(reply))
        } catch let refusal as Refusal where refusal.details.string("limit") == Limits.exportUsers.name {
            throw Refusal(
                .badRequest, .tooMany, over: Limits.exportUsers,
                words: "The max number of external_ids and aliases per request was exceeded")
        }
    }

    private func exportSegment(_ request: Request, _ caller: ServiceCaller) async throws -> RESTAnswer {
        let body = try await request.json { try JSONDecoding.decode(ExportSegmentBody.self, from: $0) }
        let reply = try await SegmentAPIIdentifier.judging { try await caller.record(body.call) }
        let url = reply.url ?? "\(scheme)://\(request.head.authority ?? "")\(reply.path)"
        return RESTAnswer(.created, BegunExport(objectPrefix: reply.objectPrefix, url: url))
    }

    private func cancel(_ request: Request, _ caller: ServiceCaller) async throws -> RESTAnswer {
        let body = try await request.json { try JSONDecoding.decode(CancelExportBody.self, from: $0) }
        _ = try await caller.record(CancelExport(segmentID: body.segmentID.identifier))
        return RESTAnswer(.created, Message.success)
    }

    /// Hands out an archive, a chunk in memory at a time. Whoever knows the address may have it, and nobody on the way may keep it.
    private func fetch(_ file: String, _ all: RESTRoutes) async -> Response {
        guard let archives, file.hasSuffix(".zip") else {
            return await all.answer { throw Refusal(.notFound, .unknownExport, "not found") }
        }
        let export: StoredExport
        do {
            export = try await archives.export(String(file.dropLast(4)), deadline: TimeBudget.current.deadline)
            IncomingRequest.current?.callerIsAuthenticated()
        } catch {
            return await all.answer { throw error }
        }
        guard let archive = export.archive else { return await all.answer { try without(archiveOf: export) } }
        return response(of: archive, archives)
    }

    /// An export is done, and nothing is stored of its archive.
    private struct ArchiveMissing: Error {}

    /// What the address says where there is nothing to fetch: whether to ask again.
    private func without(archiveOf export: StoredExport) throws -> RESTAnswer {
        switch export.state {
        case .done: throw ArchiveMissing()
        case .waiting, .running:
            var answer = RESTAnswer(.accepted, UnfinishedExport(state: export.state))
            answer.headers[.retryAfter] = "5"
            return answer
        case .expired: throw Refusal(.gone, .unknownExport, "the export has expired; start it again")
        case .failed: throw Refusal(.gone, .unknownExport, "the export failed; start it again")
        case .cancelled: throw Refusal(.gone, .unknownExport, "the export was cancelled")
        case .outdated: throw Refusal(.gone, .unknownExport, "a user in this export was erased since; start it again")
        }
    }

    /// A chunk, once there is room for it.
    private func chunk(
        _ number: Int, of archive: ExportArchive, _ archives: ExportArchives, _ answers: AnswerBudget.Account?
    ) async throws -> [UInt8] {
        try await answers?.promise(ExportArchive.chunkBytes)
        defer { answers?.settle(ExportArchive.chunkBytes) }
        let chunk = try await archives.chunk(number, of: archive)
        answers?.holds(chunk.count)
        return chunk
    }

    private func response(of archive: ExportArchive, _ archives: ExportArchives) -> Response {
        let headers: HTTPFields = [
            .contentType: "application/zip", .cacheControl: "private, no-store",
            .contentDisposition: "attachment; filename=\"\(archive.exportID).zip\"",
            .rateLimit: "", .rateRemaining: "", .rateReset: "",
        ]
        let answers = IncomingRequest.current?.answers
        let body = ResponseBody(contentLength: archive.length) { writer in
            for number in 0..<archive.chunkCount {
                let chunk = try await chunk(number, of: archive, archives, answers)
                try await writer.write(ByteBuffer(bytes: chunk))
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }
}
