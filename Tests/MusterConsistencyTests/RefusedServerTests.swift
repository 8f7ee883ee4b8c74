import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import Testing

/// Commands whose connection is refused until an operator changes something.
@Suite struct RefusedServerTests {
    /// A role of a test's own that may do what servers may, once it is made.
    private struct Role {
        let name = "refused_\(UUID().uuidString.prefix(8).lowercased())"
        let database: TestDatabase

        func url() throws -> String {
            var string = try ConnectionString(database.serverURL)
            (string["user"], string["password"]) = (name, "secret-word")
            return string.text
        }

        func make() async throws {
            try await run("CREATE ROLE \(name) LOGIN PASSWORD 'secret-word' IN ROLE muster_server")
        }

        /// Lets it in no more, and ends its connections.
        func drop() async throws {
            try? await run("ALTER ROLE \(name) NOLOGIN")  // there may be none
            try await run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '\(name)'")
            try await run("DROP ROLE IF EXISTS \(name)")
        }

        private func run(_ script: String) async throws {
            try await database.asOwner { try $0.run(script: script) }
        }
    }

    private func withRole(_ body: (Role, Secret) async throws -> Void) async throws {
        try await TestDatabase.with { database in
            let role = Role(database: database)
            let key = try await database.makeAdministered("test").adminKey
            let result: Result<Void, any Error>
            do { result = .success(try await body(role, key)) } catch { result = .failure(error) }
            try await role.drop()
            try result.get()
        }
    }

    @Test(arguments: [["migrate"], ["verify"], ["workspace", "list"], ["workspace", "create", "acme"]])
    func aCommandOfTheOwnerEndsAtOnceWithTheCause(_ command: [String]) async throws {
        try await TestDatabase.with { database in
            var string = try ConnectionString(database.ownerURL)
            string["dbname"] = "nothing_of_the_kind"
            let asked = ContinuousClock.now
            let (status, said) = try await ServerProcess.run(
                "muster-server", command, ["MUSTER_DATABASE_URL": string.text])
            #expect(status == 1)
            #expect(said.contains("PostgreSQL refuses connections") && said.contains("create the database"), "\(said)")
            #expect(ContinuousClock.now - asked < .seconds(5))
        }
    }

    @Test func aServerSaysWhyItIsRefusedAndServesOnceThatIsMended() async throws {
        try await withRole { role, key in
            let file = FileManager.default.temporaryDirectory.appending(path: "muster-log-\(UUID().uuidString)").path
            defer { try? FileManager.default.removeItem(atPath: file) }
            let (port, ops) = (try ServerProcess.freePort(), try ServerProcess.freePort())
            let server = try ServerProcess(
                databaseURL: try role.url(), port: port,
                settings: ["MUSTER_OPS_PORT": "\(ops)", "MUSTER_LOG_LEVEL": "warning"], errors: file)
            try await Task.sleep(for: .seconds(3))
            let asked = ContinuousClock.now
            let ready = try await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz")
            #expect(ready.status == 503 && ContinuousClock.now - asked < .seconds(1))
            #expect(ready.text.contains("check the user of the connection string"), "\(ready.text)")
            let said = try String(contentsOfFile: file, encoding: .utf8)
            #expect(said.split(separator: "\n").count { $0.contains("PostgreSQL") } == 1, "\(said)")
            #expect(!said.contains("secret-word") && !ready.text.contains("secret-word"))
            try await role.make()
            let client = ServerProcess.client(port: port, key: key)
            try await client.untilServing()
            #expect(try await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz").status == 200)
            await client.close()
            server.send(SIGTERM)
            #expect(await server.ended() == 0)
        }
    }

    @Test func aServerThatIsToldToEndsWithTheCause() async throws {
        try await withRole { role, _ in
            let (status, said) = try await ServerProcess.untilEnded(
                try role.url(), ["MUSTER_EXIT_ON_REFUSAL": "true"])
            #expect(status == 1)
            #expect(said.contains("PostgreSQL refuses connections") && said.contains("check the user"), "\(said)")
        }
    }

    @Test func aServerThatIsToldToEndsAlsoLater() async throws {
        try await withRole { role, key in
            try await role.make()
            let port = try ServerProcess.freePort()
            let server = try ServerProcess(
                databaseURL: try role.url(), port: port, settings: ["MUSTER_EXIT_ON_REFUSAL": "true"])
            let client = ServerProcess.client(port: port, key: key)
            try await client.untilServing()
            await client.close()
            try await role.drop()
            let watching = Task {
                try await Task.sleep(for: .seconds(15))
                server.send(SIGKILL)
            }
            #expect(await server.ended() == 1)
            watching.cancel()
        }
    }
}
