import Foundation
import MusterClient
import MusterHTTP
import MusterHandlers
import MusterMetrics
import MusterProtocol
import MusterRPC
import MusterTestSupport
import Postgres
import ServiceLifecycle
import TestSupport
import Testing

@testable import muster_server

/// The listener of operators, on a server as they run it.
@Suite struct OperationsTests {
    /// A server in this process, wired as the command does it.
    private struct Running {
        let serving: Serving
        let group: ServiceGroup

        init(_ databaseURL: String) async throws {
            let settings = try await Settings.load(
                flags: [:],
                environment: [
                    "MUSTER_DATABASE_URL": databaseURL, "MUSTER_LISTEN_PORT": "0", "MUSTER_REST_PORT": "0",
                    "MUSTER_OPS_PORT": "0", "MUSTER_MAINTENANCE_SECONDS": "1", "MUSTER_LOG_LEVEL": "critical",
                ], file: nil)
            serving = Serving(Server(settings, logger: quietLogger))
            group = ServiceGroup(services: [serving], logger: quietLogger)
        }

        func get(_ path: String, _ method: String = "GET") async throws -> RESTReply {
            try await sendHTTP(method, "http://127.0.0.1:\(serving.server.ops?.boundPort ?? 0)\(path)")
        }

        func untilListening(_ port: () -> Int?) async throws {
            for _ in 0..<1_000 where port() == nil { try await Task.sleep(for: .milliseconds(10)) }
        }

        /// The value of one line of the metrics; -1 where there is no such line.
        func metric(_ line: String) async throws -> Double {
            let lines = try await get("/metrics").text.split(separator: "\n")
            return lines.first { $0.hasPrefix("\(line) ") }.flatMap { Double($0.dropFirst(line.count + 1)) } ?? -1
        }
    }

    private func withServing(_ databaseURL: String, _ body: (Running) async throws -> Void) async throws {
        let running = try await Running(databaseURL)
        let run = Task { try await running.group.run() }
        try await running.untilListening { running.serving.server.ops?.boundPort }
        let result: Result<Void, any Error>
        do { result = .success(try await body(running)) } catch { result = .failure(error) }
        await running.group.triggerGracefulShutdown()
        _ = await run.result
        try result.get()
    }

    @Test func aServingServerIsAliveAndReady() async throws {
        try await TestDatabase.with { database in
            try await withServing(database.serverURL) { running in
                try await running.untilListening { running.serving.server.rest.boundPort }
                #expect(try await running.get("/livez").text == #"{"message":"alive"}"#)
                let ready = try await running.get("/readyz")
                #expect(ready.status == 200)
                let facts = #""postgres":true,"schema":true,"listening":true,"draining":false,"overloaded":false"#
                #expect(ready.text == #"{"message":"ready",\#(facts)}"#)
                #expect(try await running.get("/nothing").status == 404)
                let refused = try await running.get("/metrics", "POST")
                #expect(refused.status == 405 && refused.headers["allow"] == "GET, HEAD")
                #expect(try await running.get("/metrics", "HEAD").body.isEmpty)
            }
        }
    }

    @Test func withoutPostgreSQLAServerIsAliveAndNotReady() async throws {
        try await withServing("host=127.0.0.1 port=9 dbname=nothing") { running in
            #expect(try await running.get("/livez").status == 200)
            let ready = try await running.get("/readyz")
            #expect(ready.status == 503)
            #expect(ready.text.contains("PostgreSQL can't be reached"))
            #expect(ready.text.contains("Connection refused"), "\(ready.text)")
        }
    }

    @Test func aDatabaseOfAnotherSchemaIsNotReady() async throws {
        try await TestDatabase.with { database in
            try await withServing(database.serverURL) { running in
                try await running.untilListening { running.serving.server.rest.boundPort }
                try await TestDatabase.open(database.ownerURL) { owner in
                    try await owner.transaction(deadline: .soon) { connection in
                        try connection.execute("INSERT INTO migration VALUES (9999, 'later.sql', now())")
                    }
                }
                let ready = try await running.get("/readyz")
                #expect(ready.status == 503)
                #expect(ready.text.contains(#""postgres":true,"schema":false"#))
            }
        }
    }

    @Test func aDrainingServerIsNotReady() async throws {
        try await TestDatabase.with { database in
            try await withServing(database.serverURL) { running in
                try await running.untilListening { running.serving.server.rest.boundPort }
                // A body that does not come keeps the server from ending.
                let half = try await RawConnection(port: running.serving.server.rest.boundPort ?? 0)
                try await half.send(
                    Array("POST /partners/p/cohorts HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".utf8))
                for _ in 0..<500 where running.serving.server.rest.status.requestsInFlight == 0 {
                    try await Task.sleep(for: .milliseconds(10))
                }
                await running.group.triggerGracefulShutdown()
                let ready = try await running.get("/readyz")
                #expect(ready.status == 503)
                #expect(ready.text.contains("shutting down"))
                #expect(try await running.get("/livez").status == 200)
                await half.close()
            }
        }
    }

    // MARK: Metrics

    @Test func metricsCountTheWorkAndNameNoUser() async throws {
        try await TestDatabase.with { database in
            let workspace = try await database.makeAdministered("CaNaRy")
            try await withServing(database.serverURL) { running in
                try await running.untilListening { running.serving.server.rpc.boundPort }
                let client = MusterClient(
                    MusterClientSettings(
                        host: "127.0.0.1", port: running.serving.server.rpc.boundPort ?? 0,
                        key: workspace.adminKey.text,
                        security: .plaintext),
                    logger: quietLogger)
                try await makeTraffic(client, running)
                #expect(
                    try await running.metric(#"muster_requests_total{wire="rpc",method="cohorts.import",code="OK"}"#)
                        == 3)
                #expect(
                    try await running.metric(
                        #"muster_requests_total{wire="rpc",method="cohorts.get",code="NOT_FOUND"}"#) == 1)
                #expect(
                    try await running.metric(
                        #"muster_requests_total{wire="rest",method="session.open",code="UNAUTHENTICATED"}"#) == -1)
                #expect(try await running.metric(#"muster_request_seconds_count{method="cohorts.import"}"#) == 3)
                #expect(
                    try await running.metric(#"muster_request_seconds_bucket{method="cohorts.import",le="+Inf"}"#) == 3)
                #expect(try await running.metric(#"muster_import_identifiers_total{outcome="added"}"#) == 3)
                #expect(try await running.metric(#"muster_import_identifiers_total{outcome="unknown"}"#) == 3)
                #expect(try await running.metric("muster_imports_total") == 3)
                #expect(try await running.metric(#"muster_http_answers_total{status="401"}"#) == 1)
                #expect(try await running.metric(#"muster_http_answers_total{status="404"}"#) == 1)
                #expect(try await running.metric(#"muster_http_seconds_count{route="other"}"#) >= 1)
                #expect(try await running.metric(#"muster_connections{wire="rpc"}"#) == 1)
                #expect(try await running.metric("muster_proved_reads_total") >= 2)
                #expect(try await running.metric(#"muster_cache_hits_total{cache="sets"}"#) > 0)
                #expect(try await running.metric("process_resident_memory_bytes") > 1_000_000)
                #expect(try await running.metric("muster_build_info{version=\"\(MusterServerCommand.version)\"}") == 1)
                for _ in 0..<500 {
                    if try await running.metric("muster_changes_not_compacted") >= 2 { break }
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(try await running.metric("muster_changes_not_compacted") >= 2)
                #expect(try await running.metric("muster_database_connections") >= 1)
                for state in ["waiting", "running"] {
                    #expect(try await running.metric(#"muster_database_work{state="\#(state)"}"#) >= 0)
                }
                try await TestDatabase.open(database.ownerURL, connections: 1) { owner in
                    try await owner.withConnection(deadline: .soon) { connection in
                        try connection.run(script: "REVOKE ALL ON segment FROM muster_server")
                    }
                }
                let error = await #expect(throws: RPCError.self) { try await client.send(ListSegments()) }
                #expect(error?.code == .internal)
                #expect(try await running.metric(#"muster_database_errors_total{class="42"}"#) >= 1)
                let page = try await running.get("/metrics")
                #expect(page.headers["content-type"] == Exposition.contentType)
                expectWellFormed(page.text)
                for hidden in ["canary", workspace.adminKey.text.lowercased(), workspace.keyID] {
                    #expect(!page.text.lowercased().contains(hidden))
                }
                await client.close()
            }
        }
    }

    /// Calls of both wires, good and bad, with the canary wherever a caller can write something.
    private func makeTraffic(_ client: MusterClient, _ running: Running) async throws {
        _ = try await client.send(SetPartner(partner: "canary_partner"))
        _ = try await client.send(UpsertUsers(users: [UserEntry(externalID: "CaNaRy-1")]))
        for cohort in ["CaNaRy-a", "CaNaRy-b", "CaNaRy-c"] as [Identifier] {
            _ = try await client.send(
                ImportCohort(
                    partner: "canary_partner", cohortID: cohort,
                    changes: [.adding(userIDs: ["CaNaRy-1", "CaNaRy-unknown"])]))
        }
        for _ in 0..<2 {
            _ = try await client.send(SizeSegment(filter: .cohort("canary_partner", "CaNaRy-a")))
        }
        await #expect(throws: RPCError.self) {
            try await client.send(GetCohort(partner: "canary_partner", cohortID: "CaNaRy-d"))
        }
        let rest = "http://127.0.0.1:\(running.serving.server.rest.boundPort ?? 0)"
        _ = try await sendHTTP(
            "POST", "\(rest)/partners/canary_partner/cohorts",
            #"{"client_secret":"CaNaRy","cohort_id":"CaNaRy","name":"CaNaRy","created_at":"2021-01-21T19:20:30Z"}"#)
        _ = try await sendHTTP("GET", "\(rest)/CaNaRy", bearer: "CaNaRy")
        let raw = try await RawConnection(port: running.serving.server.rpc.boundPort ?? 0)
        try await raw.send(request(1, "CaNaRy.open", "{}"))
        _ = try await raw.next()
        await raw.close()
        for _ in 0..<500 where running.serving.server.rpc.status.connections > 1 {
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Every line is a comment or a sample of a metric that was introduced, once; buckets add up.
    private func expectWellFormed(_ text: String) {
        var names: Set<Substring> = []
        var last = (series: "", value: 0.0)
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE ") {
                #expect(names.insert(words[2]).inserted, "\(line)")
                #expect(["counter", "gauge", "histogram"].contains(words[3]))
                continue
            }
            if line.hasPrefix("# HELP ") { continue }
            let name = line.prefix { $0 != "{" && $0 != " " }
            let base = ["_bucket", "_sum", "_count"].reduce(name) { $0.hasSuffix($1) ? $0.dropLast($1.count) : $0 }
            #expect(names.contains(name) || names.contains(base), "\(line)")
            guard let value = Double(words.last ?? "") else {
                Issue.record("\(line)")
                continue
            }
            let series = String(line.prefix { $0 != "," })
            if name.hasSuffix("_bucket") {
                if series == last.series { #expect(value >= last.value, "\(line)") }
                last = (series, value)
            }
        }
        #expect(names.count > 20 && text.hasSuffix("\n"))
    }
}
