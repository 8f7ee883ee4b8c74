import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterHTTP
import MusterHandlers
import MusterListener
import MusterProtocol
import NIOCore

/// Exports of users: immediate ones, and archives.
struct ExportRoutes {
    let archives: ExportArchives?
    /// The scheme of archive URLs, unless the operator has set a base URL.
    let scheme: String

    /// - Parameter public: routes without authentication: an archive's address is its secret.
    func add(to routes: RouterGroup<RESTContext>, public: Router<RESTContext>) {
        routes.post("/users/export/ids") { try await exportIDs($0, $1.caller) }
        routes.post("/users/export/segment") { try await exportSegment($0, $1.caller) }
        routes.post("/export/segment/cancel") { try await cancel($0, $1.caller) }
        `public`.get("/exports/:file") { _, context in
            try await fetch(try context.parameters.decoded("file"), context)
        }
    }

    private func exportIDs(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let body = try await request.json { try JSONDecoding.decode(ExportIDsBody.self, from: $0) }
        do {
            let reply = try await caller.send(ExportUsers(users: body.users, fieldsToExport: body.fieldsToExport))
            return JSONResponse(.created, ExportedUsers(reply))
        } catch let error as RPCError where error.details.string("limit") == Limits.exportUsers.name {
            throw HTTPProblem(
                .badRequest, .tooMany, over: Limits.exportUsers,
                words: "The max number of external_ids and aliases per request was exceeded")
        }
    }

    private func exportSegment(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let body = try await request.json { try JSONDecoding.decode(ExportSegmentBody.self, from: $0) }
        let reply = try await SegmentAPIIdentifier.mapErrors { try await caller.record(body.call) }
        let url = reply.url ?? "\(scheme)://\(request.head.authority ?? "")\(reply.path)"
        return JSONResponse(.created, BegunExport(objectPrefix: reply.objectPrefix, url: url))
    }

    private func cancel(_ request: Request, _ caller: Caller) async throws -> JSONResponse {
        let body = try await request.json { try JSONDecoding.decode(CancelExportBody.self, from: $0) }
        _ = try await caller.record(CancelExport(segmentID: body.segmentID.identifier))
        return JSONResponse(.created, Message.success)
    }

    /// Sends an archive, one chunk in memory at a time. No cache on the way may store it.
    private func fetch(_ file: String, _ context: RESTContext) async throws -> Response {
        guard let archives, file.hasSuffix(".zip") else {
            throw HTTPProblem(.notFound, .unknownExport, "not found")
        }
        let export = try await archives.export(String(file.dropLast(4)), deadline: context.deadline)
        context.incoming.callerIsAuthenticated()
        guard let archive = export.archive else { return try withoutArchive(export.state).response }
        return response(of: archive, context.incoming.answers)
    }

    /// An export is done, but its archive is not stored.
    private struct ArchiveMissing: Error {}

    /// The response if there is no archive to fetch; it tells whether to ask again.
    private func withoutArchive(_ state: ExportState) throws -> JSONResponse {
        switch state {
        case .done: throw ArchiveMissing()
        case .waiting, .running:
            var answer = JSONResponse(.accepted, UnfinishedExport(state: state))
            answer.headers[.retryAfter] = "5"
            return answer
        case .expired: throw HTTPProblem(.gone, .unknownExport, "the export has expired; start it again")
        case .failed: throw HTTPProblem(.gone, .unknownExport, "the export failed; start it again")
        case .cancelled: throw HTTPProblem(.gone, .unknownExport, "the export was cancelled")
        case .outdated:
            throw HTTPProblem(.gone, .unknownExport, "a user in this export was erased since; start it again")
        }
    }

    /// The next chunk, as soon as there is room for it.
    private func chunk(
        _ number: Int, of archive: ArchiveDownload, _ answers: AnswerBudget.Account
    ) async throws -> [UInt8] {
        try await answers.promise(ArchiveDownload.chunkBytes)
        defer { answers.settle(ArchiveDownload.chunkBytes) }
        let chunk = try await archive.chunk(number)
        answers.holds(chunk.count)
        return chunk
    }

    private func response(of archive: ArchiveDownload, _ answers: AnswerBudget.Account) -> Response {
        let headers: HTTPFields = [
            .contentType: "application/zip", .cacheControl: "private, no-store",
            .contentDisposition: "attachment; filename=\"\(archive.exportID).zip\"",
        ]
        let body = ResponseBody(contentLength: archive.length) { writer in
            for number in 0..<archive.chunkCount {
                let chunk = try await chunk(number, of: archive, answers)
                try await writer.write(ByteBuffer(bytes: chunk))
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }
}
