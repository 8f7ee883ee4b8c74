import MusterHandlers
import MusterProtocol
import MusterTestSupport
import NIOCore
import Testing

/// What programs are told of a refusal over HTTP, whether a call, a route or the reader of HTTP refuses.
@Suite struct RefusalDetailTests {
    struct Case: CustomStringConvertible, Sendable {
        let target: String
        var headers: [String] = []
        var body: String?
        let status: Int
        let reason: RefusalReason
        var field: String?
        var description: String { "\(target) \(headers) \(body ?? "")" }
    }

    private func expect(_ cases: [Case], from muster: MusterUnderTest, bearer: String) async throws {
        for bad in cases {
            let connection = try await RawHTTP(port: try await muster.server.restPort())
            try await connection.send(
                bad.body == nil ? "GET" : "POST", bad.target,
                headers: ["Authorization: Bearer \(bearer)"] + bad.headers
                    + (bad.body.map { ["Content-Length: \($0.utf8.count)"] } ?? []))
            if let body = bad.body { try await connection.channel.writeAndFlush(ByteBuffer(string: body)).get() }
            let answer = try #require(try await connection.answer())
            await connection.close()
            let field = bad.field.map { "\"field\":\"\($0)\"," } ?? ""
            #expect(answer.status == bad.status, "\(bad): \(answer.body)")
            #expect(
                answer.body.contains("\"details\":{\(field)\"reason\":\"\(bad.reason.rawValue)\""),
                "\(bad): \(answer.body)")
        }
    }

    @Test func aRefusedServiceRequestHasAReason() async throws {
        try await withMuster { muster in
            try await expect(
                [
                    Case(
                        target: "/users/track", headers: ["Content-Encoding: gzip"], body: "{}", status: 400,
                        reason: .malformed),
                    Case(
                        target: "/users/track", headers: ["Content-Encoding: br"], body: "{}", status: 415,
                        reason: .unknownValue, field: "Content-Encoding"),
                    Case(
                        target: "/users/merge", body: #"{"merge_updates":[{"identifier_to_merge":{},"x":1}]}"#,
                        status: 400, reason: .unknownField, field: "merge_updates[0].x"),
                    Case(
                        target: "/users/merge", body: #"{"merge_updates":[{"identifier_to_merge":{}}]}"#,
                        status: 400, reason: .missing, field: "merge_updates[0].identifier_to_keep"),
                    Case(
                        target: "/users/merge",
                        body:
                            #"{"merge_updates":[{"identifier_to_merge":{"external_id":"e\u0000"},"identifier_to_keep":{}}]}"#,
                        status: 400, reason: .invalidCharacters,
                        field: "merge_updates[0].identifier_to_merge.external_id"),
                    Case(
                        target: "/users/merge",
                        body:
                            #"{"merge_updates":[{"identifier_to_merge":{"email":"a@b"},"identifier_to_keep":{"user_alias":{"alias_label":"l","alias_name":"\ud800"}}}]}"#,
                        status: 400, reason: .invalidCharacters,
                        field: "merge_updates[0].identifier_to_keep.user_alias.alias_name"),
                    Case(
                        target: "/users/merge",
                        body: #"{"merge_updates":[{"identifier_to_merge":{"email":5},"identifier_to_keep":{}}]}"#,
                        status: 400, reason: .wrongType, field: "merge_updates[0].identifier_to_merge"),
                    Case(target: "/users/merge", body: "{}", status: 400, reason: .missing, field: "merge_updates"),
                    Case(
                        target: "/users/merge", body: #"{"merge_updates":[5]}"#, status: 400, reason: .wrongType,
                        field: "merge_updates"),
                    Case(
                        target: "/users/merge", body: #"{"merge_updates":[]}"#, status: 400, reason: .empty,
                        field: "merge_updates"),
                    Case(target: "/users/export/ids", body: "{}", status: 400, reason: .missing),
                    Case(target: "/segments/details", status: 400, reason: .missing, field: "segment_id"),
                ], from: muster, bearer: muster.server.workspace.adminKey.text)
        }
    }

    @Test func aRefusedReceiptRequestHasAReason() async throws {
        try await withMuster { muster in
            _ = try await muster.send(SetPartner(partner: "tinyclues"))
            let key = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "x")).secret
            let imports = "/partners/tinyclues/cohorts/imports"
            try await expect(
                [
                    Case(target: imports, status: 400, reason: .missing, field: "Idempotency-Key"),
                    Case(
                        target: imports, headers: ["Idempotency-Key: other"], status: 404, reason: .unknownImport),
                    Case(target: "\(imports)/MS5j", status: 404, reason: .unknownImport),
                    Case(
                        target: "\(imports)?cohort_id=c", headers: ["Idempotency-Key: other"], status: 400,
                        reason: .unknownField, field: "cohort_id"),
                    Case(
                        target: "/partners/tinycl%75es/cohorts/imports", headers: ["Idempotency-Key: other"],
                        status: 404, reason: .unknownImport),
                ], from: muster, bearer: key)
        }
    }

    @Test func anInvalidHTTPRequestHasAReason() async throws {
        try await withMuster { muster in
            for (bytes, reason) in [
                ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", RefusalReason.malformed),
                ("GET / HTTP/1.1\r\n\r\n", .malformed),
                ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unknownValue),
            ] {
                let connection = try await RawHTTP(port: try await muster.server.restPort())
                try await connection.send(bytes)
                let answer = try await connection.answer()
                await connection.close()
                #expect(answer?.body.contains("\"reason\":\"\(reason.rawValue)\"") == true, "\(answer as Any)")
            }
        }
    }
}
