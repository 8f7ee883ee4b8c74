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

/// `muster-server` as a process: why it refuses to start, and how it handles signals.
@Suite(.timeLimit(.minutes(2))) struct ProcessTests {
    @Test func aSecondSIGTERMEndsAtOnce() async throws {
        try await ServerProcess.withServing(["MUSTER_LOCK_TIMEOUT_MS": "30000"]) { server, client, database in
            _ = try await client.send(UpsertUsers(users: [UserEntry(externalID: "u-1")]))
            try await client.importCohort("c", adding: ["u-1"])
            // An import that waits for a lock delays the drain.
            try await holdingHeads(of: database) {
                let impatient = Task { try await client.importCohort("c", removing: ["u-1"]) }
                try await Task.sleep(for: .milliseconds(500))
                let asked = ContinuousClock.now
                server.send(SIGTERM)
                try await Task.sleep(for: .milliseconds(700))
                server.send(SIGTERM)
                #expect(await server.ended() == 1)
                let took = ContinuousClock.now - asked
                #expect((.milliseconds(700) ..< .seconds(3)).contains(took), "\(took)")
                impatient.cancel()
            }
        }
    }

    @Test(.enabled(if: TestCertificates.isPossible, "there is no openssl command"))
    func sighupReloadsTheCertificate() async throws {
        let certificates = try TestCertificates()
        let tls = [
            "MUSTER_TLS_CERTIFICATE": certificates.file("server.pem"),
            "MUSTER_TLS_KEY": certificates.file("server.key"),
        ]
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            try await ServerProcess.with(database.serverURL, settings: tls) { server in
                func client(_ authority: String) -> MusterClient {
                    ServerProcess.client(port: server.port, key: key) {
                        $0.security = .tls(authoritiesFile: certificates.file(authority))
                    }
                }
                let old = client("server.pem")
                try await old.untilServing()
                try certificates.replaceServer()
                server.send(SIGHUP)
                let new = client("other.pem")
                var isNew = false
                for _ in 0..<50 where !isNew {
                    isNew = (try? await new.send(ListPartners(), deadline: .milliseconds(500))) != nil
                }
                #expect(isNew)
                // A connected client stays connected.
                _ = try await old.send(ListPartners())
                for client in [old, new] { await client.close() }
                await server.stop()
            }
        }
    }

    @Test func aServerStartedWithoutItsDatabaseServesOnceItIsReachable() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            try await database.setReachable(false)
            try await ServerProcess.with(database.serverURL) { server in
                let client = ServerProcess.client(port: server.port, key: key)
                try await Task.sleep(for: .seconds(3))
                await #expect(throws: RPCError.self) {
                    try await client.send(ListPartners(), deadline: .milliseconds(200))
                }
                try await database.setReachable(true)
                let there = ContinuousClock.now
                try await client.untilServing()
                #expect(ContinuousClock.now - there < .seconds(4))
                await client.close()
                await server.stop()
            }
        }
    }

    @Test func aServerServesAsTheOwnerOnlyWhenAllowed() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            let said = try await refusal(database.ownerURL)
            #expect(
                said.contains(
                    "connect as the server's role (setting server_role of migrate), or pass --allow-owner-role"),
                "\(said)")
            try await ServerProcess.with(
                database.ownerURL, settings: ["MUSTER_ALLOW_OWNER_ROLE": "true"]
            ) { server in
                let client = ServerProcess.client(port: server.port, key: key)
                try await client.untilServing()
                await client.close()
                await server.stop()
            }
        }
    }

    @Test func anotherSchemaIsRefusedWithBothVersions() async throws {
        try await TestDatabase.with { database in
            let (next, own) = ("\(try await schema(of: database) + 1)", "\(try await schema(of: database))")
            try await database.asOwner { connection in
                try connection.run(
                    script: "INSERT INTO migration (version, name, applied_at) VALUES (\(next), 'x', now())")
            }
            let newer = try await refusal(database.serverURL)
            #expect(newer.contains("has schema \(next)") && newer.contains("serves schema \(own)"), "\(newer)")
            try await database.asOwner { connection in
                try connection.run(script: "DELETE FROM migration WHERE version >= \(own)")
            }
            let older = try await refusal(database.serverURL)
            #expect(older.contains("serves schema \(own)") && older.contains("muster-server migrate"), "\(older)")
        }
    }

    @Test func aNewerSchemaThatOnlyAddsIsServed() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            let next = try await schema(of: database) + 1
            try await database.run(
                "INSERT INTO migration (version, name, applied_at, only_adds) VALUES (\(next), 'x', now(), true)")
            try await ServerProcess.with(database.serverURL) { server in
                let client = ServerProcess.client(port: server.port, key: key)
                try await client.untilServing()
                #expect(try await client.send(GetHealth()).status == .serving)
                #expect(try await client.send(GetInfo()).schemaVersion == next)
                await client.close()
                await server.stop()
            }
        }
    }

    /// As after a restore into a cluster where the role was made by hand.
    @Test func aRoleWithoutGrantsIsReportedAsSuch() async throws {
        try await TestDatabase.with { database in
            try await database.withRole("LOGIN") { role in
                let unread = try await refusal(try database.url(of: role))
                #expect(unread.contains("may not read the table migration"), "\(unread)")
                try await database.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO \(role)")
                let hidden = try await refusal(try database.url(of: role))
                #expect(hidden.contains("row-level security hides rows of the table"), "\(hidden)")
                for said in [unread, hidden] { #expect(said.contains("muster-server migrate"), "\(said)") }
            }
        }
    }

    /// A write to a socket whose peer is gone must not end the process.
    @Test func peersThatVanishDuringAReplyDoNoHarm() async throws {
        try await ServerProcess.withServing { server, client, _ in
            for _ in 0..<30 {
                let connection = try await RawConnection(port: Int(server.port))
                try await connection.send((0..<100).map { framed(#"{"ping":\#($0)}"#) }.flatMap(\.self))
                await connection.close()
            }
            _ = try await client.send(ListPartners())
        }
    }

    @Test func theExitCodeOfTheCommandTellsTheOutcome() async throws {
        try await ServerProcess.withServing { server, client, _ in
            let made = try await client.send(CreateKey(kind: .service, name: "few", scopes: ["partners.list"]))
            let place = ["MUSTER_SERVER": "127.0.0.1:\(server.port)"]
            func call(_ arguments: [String], key: String) async throws -> (status: Int32, output: String) {
                try await ServerProcess.run("muster", ["call"] + arguments, place.merging(["MUSTER_KEY": key]) { $1 })
            }
            let good = try await call(["partners.list", "{}", "--json"], key: made.secret)
            #expect(good.status == 0)
            #expect(good.output.hasPrefix(#"{"partners":[{"partner":"tinyclues""#), "\(good.output)")
            let forbidden = try await call(["keys.list", "{}"], key: made.secret)
            #expect(forbidden.status == 77 && forbidden.output.contains("keys.list"), "\(forbidden.output)")
            let wrong = try await call(["partners.list", "{}"], key: "nonsense")
            #expect(wrong.status == 77 && wrong.output.contains("UNAUTHENTICATED"), "\(wrong.output)")
            let bad = try await call(["partners.list", #"{"page_size":0}"#], key: made.secret)
            #expect(bad.status != 0 && ![75, 77].contains(bad.status), "\(bad.output)")
            for text in [forbidden, wrong, bad].map(\.output) { #expect(!text.contains(made.secret)) }
        }
    }

    // MARK: Tools

    /// The output of a server that refuses to start; it must end by itself.
    private func refusal(_ url: String) async throws -> String {
        let (status, said) = try await ServerProcess.untilEnded(url)
        #expect(status > 0, "\(said)")
        return said
    }

    private func schema(of database: TestDatabase) async throws -> Int {
        try await TestDatabase.open(database.ownerURL, connections: 1) {
            try await Schema(database: $0).version(deadline: .soon)
        }
    }

    /// Runs `body` while the heads of all sets are locked.
    private func holdingHeads(of database: TestDatabase, _ body: () async throws -> Void) async throws {
        try await TestDatabase.open(database.ownerURL, connections: 1) { other in
            let (isHeld, mayGo) = (Flag(), Flag())
            async let holding: Void = other.transaction(deadline: .soon) { connection in
                try connection.execute("SELECT FROM set_head FOR UPDATE")
                isHeld.raise()
                while !mayGo.isRaised { usleep(10_000) }
            }
            defer { mayGo.raise() }
            try #require(await eventually { isHeld.isRaised })
            try await body()
            mayGo.raise()
            try? await holding  // the server may have ended it as idle
        }
    }
}
