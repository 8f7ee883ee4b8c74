import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// Commands whose connection is refused until an operator changes something.
@Suite(.timeLimit(.minutes(2))) struct RefusedServerTests {
    /// A private role with the rights of a server, once it is created.
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

        /// Refuses its connections and ends existing ones.
        func drop() async throws {
            try? await run("ALTER ROLE \(name) NOLOGIN")  // there may be none
            try await run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '\(name)'")
            try await run("DROP ROLE IF EXISTS \(name)")
        }

        private func run(_ script: String) async throws {
            try await database.run(script)
        }
    }

    private func withRole(_ body: (Role, Secret) async throws -> Void) async throws {
        try await TestDatabase.with { database in
            let role = Role(database: database)
            let key = try await database.makeAdministered("test").adminKey
            try await cleaningUp({ try await role.drop() }, after: { try await body(role, key) })
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

    @Test func aServerReportsWhyItIsRefusedAndServesOnceThatIsFixed() async throws {
        try await withRole { role, key in
            try await withTemporaryFile { file in
                let ops = try Loopback.freePort()
                let settings = ["MUSTER_OPS_PORT": "\(ops)", "MUSTER_LOG_LEVEL": "warning"]
                try await ServerProcess.with(try role.url(), settings: settings, errors: file) { server in
                    func readiness() async throws -> RESTReply {
                        try await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz")
                    }
                    try #require(await eventually { Loopback.accepts(ops) })
                    // From the beginning, and still when it has been tried several times.
                    for rest in [0, 3] {
                        try await Task.sleep(for: .seconds(rest))
                        let ready = try await readiness()
                        #expect(ready.status == 503)
                        #expect(ready.text.contains("check the user of the connection string"), "\(ready.text)")
                        #expect(!ready.text.contains("secret-word"))
                    }
                    let said = try String(contentsOfFile: file, encoding: .utf8)
                    #expect(said.split(separator: "\n").count { $0.contains("PostgreSQL") } == 1, "\(said)")
                    #expect(!said.contains("secret-word"))
                    try await role.make()
                    let client = ServerProcess.client(port: server.port, key: key)
                    try await client.untilServing()
                    #expect(try await readiness().status == 200)
                    await client.close()
                    await server.stop()
                }
            }
        }
    }

    @Test func aServerThatMustExitOnRefusalEndsWithTheCause() async throws {
        try await withRole { role, _ in
            let (status, said) = try await ServerProcess.untilEnded(
                try role.url(), ["MUSTER_EXIT_ON_REFUSAL": "true"])
            #expect(status == 1)
            #expect(said.contains("PostgreSQL refuses connections") && said.contains("check the user"), "\(said)")
        }
    }

    @Test func aServerThatMustExitOnRefusalEndsLaterToo() async throws {
        try await withRole { role, key in
            try await role.make()
            let settings = ["MUSTER_EXIT_ON_REFUSAL": "true"]
            try await ServerProcess.with(try role.url(), settings: settings) { server in
                let client = ServerProcess.client(port: server.port, key: key)
                try await client.untilServing()
                await client.close()
                try await role.drop()
                #expect(await server.ended() == 1)
            }
        }
    }
}
