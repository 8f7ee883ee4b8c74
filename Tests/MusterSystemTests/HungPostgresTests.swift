import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// A PostgreSQL that accepts data and answers nothing, like one with a hung disk or machine.
@Suite(.enabled(if: PrivateCluster.isPossible, "PostgreSQL's programs are not on this machine"))
struct HungPostgresTests {
    /// Eight requests over REST, since the client sends no more at once, by method, path and body; nil stands for no
    /// body.
    private static func requests(_ importKey: String) -> [(method: String, path: String, body: String?)] {
        let partner = #""client_secret":"\#(importKey)","cohort_id":"c""#
        return [
            ("POST", "/partners/tinyclues/cohorts", #"{\#(partner),"name":"C","created_at":"2026-11-24T00:00:00Z"}"#),
            ("POST", "/partners/tinyclues/cohorts/users", #"{\#(partner),"cohort_changes":[{"user_ids":["u-2"]}]}"#),
            ("GET", "/segments/list", nil), ("GET", "/segments/details?segment_id=s", nil),
            ("POST", "/users/track", #"{"attributes":[{"external_id":"u-1","n":1}]}"#),
            ("POST", "/users/export/ids", #"{"external_ids":["u-1"]}"#),
            ("POST", "/users/export/segment", #"{"segment_id":"s"}"#),
            (
                "POST", "/users/external_ids/rename",
                #"{"external_id_renames":[{"current_external_id":"u-1","new_external_id":"v"}]}"#
            ),
        ]
    }

    /// Twice: at once, beside a call with a long deadline, and when every key must be verified again.
    @Test func everyRequestIsAnsweredBeforeItsClientGivesUp() async throws {
        try await withServer { server, client, url in
            let importKey = try await client.send(CreateKey(kind: .import, partner: "tinyclues", name: "push")).secret
            let requests = Self.requests(importKey)
            let send: @Sendable (Int) async throws -> (RESTReply, Duration) = { place in
                let request = Self.requests(importKey)[place]
                let started = ContinuousClock.now
                let reply = try await server.rest(
                    request.method, request.path, request.body,
                    bearer: request.path.hasPrefix("/partners") ? nil : server.workspace.adminKey.text)
                return (reply, .now - started)
            }
            for place in requests.indices { #expect(try await send(place).0.status < 300, "\(requests[place].path)") }
            let stopped = try await StoppedProcesses(of: url)
            let patient = Task { await client.code(of: SizeSegment(segmentID: "s"), deadline: .seconds(9)) }
            for round in 0..<2 {
                try await Task.sleep(for: .milliseconds(round == 0 ? 50 : 1_500))
                try await withThrowingTaskGroup(of: (Int, RESTReply, Duration).self) { group in
                    for place in requests.indices {
                        group.addTask {
                            let (reply, took) = try await send(place)
                            return (place, reply, took)
                        }
                    }
                    for try await (place, reply, took) in group {
                        let what = "\(requests[place].path) in round \(round): \(reply.status) after \(took)"
                        #expect([503, 504].contains(reply.status) && reply.text.contains(#""message":"#), "\(what)")
                        #expect(reply.headers["retry-after"] != nil, "\(what)")
                        #expect(took < .seconds(3), "\(what); a bound of 1.8 s, and room for a busy machine")
                    }
                }
            }
            stopped.goOn()
            // Answered or not: PostgreSQL may be back in time.
            _ = await patient.value
            var isServing = false
            for _ in 0..<100 where !isServing {
                isServing = try await send(0).0.status == 201
                if !isServing { try await Task.sleep(for: .milliseconds(100)) }
            }
            #expect(isServing)
        }
    }

    private func withServer(_ body: (TestServer, MusterClient, String) async throws -> Void) async throws {
        try await PrivateCluster.with { cluster in
            let url = cluster.url
            let workspace = try await TestDatabase.open(url) { owner in
                let schema = Schema(database: owner)
                try await schema.migrate(logger: quietLogger, deadline: .soon)
                return try await NewWorkspace.make(name: "w", with: schema, deadline: .soon)
            }
            let server = try await TestServer(databaseURL: url + " user=muster_server", workspace: workspace)
            let client = server.client()
            let result: Result<Void, any Error>
            do {
                _ = try await client.send(SetPartner(partner: "tinyclues"))
                _ = try await client.send(
                    UpsertUsers(users: [UserEntry(externalID: "u-1"), UserEntry(externalID: "u-2")]))
                _ = try await client.send(CreateSegment(segmentID: "s", name: "S", filter: .everyone))
                result = .success(try await body(server, client, url))
            } catch { result = .failure(error) }
            await client.close()
            await server.stop()
            try result.get()
        }
    }
}

/// All processes of a PostgreSQL, stopped by a signal; they continue when this is released at the latest.
private final class StoppedProcesses: Sendable {
    private let processes: [pid_t]

    init(of url: String) async throws {
        let directory = try await TestDatabase.open(url, connections: 1) { database in
            try await database.read(deadline: .soon, "SELECT current_setting('data_directory')") { row in
                try row.value(0, as: String.self)
            }
        }
        let text = try String(contentsOfFile: try #require(directory.first) + "/postmaster.pid", encoding: .utf8)
        let postmaster = try #require(text.split(separator: "\n").first.flatMap { pid_t($0) })
        processes = [postmaster] + Self.children(of: postmaster)
        for process in processes { kill(process, SIGSTOP) }
    }

    deinit { goOn() }

    func goOn() { for process in processes { kill(process, SIGCONT) } }

    private static func children(of parent: pid_t) -> [pid_t] {
        let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
        return numbers.filter { number in
            // `pid (name) state ppid …`; a name may contain blanks and brackets.
            let stat = (try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)) ?? ""
            let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 1 && pid_t(fields[1]) == parent
        }
    }
}
