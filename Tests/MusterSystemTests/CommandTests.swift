import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// The commands as operators run them, against servers in processes of their own.
@Suite(.timeLimit(.minutes(2))) struct CommandTests {
    @Test func aKeyOfTheOwnerOpensALockedWorkspace() async throws {
        try await ServerProcess.withServing { server, client, database in
            let key = try await client.send(ListKeys()).keys[0].keyID
            await #expect(throws: RPCError.self) { try await client.send(InvalidateKey(keyID: key)) }
            _ = try await client.send(InvalidateKey(keyID: key, force: true))
            let owner = ["MUSTER_DATABASE_URL": database.ownerURL]
            let made = try await ServerProcess.run("muster-server", ["key", "create", "test", "--json"], owner)
            #expect(made.status == 0, "\(made.output)")
            let object = try JSONDecoding.decode(Made.self, from: Array(made.output.utf8))
            #expect(object.workspace == "test" && object.scopes == ["*"] && object.name == "admin")
            // The line break of a mounted secret.
            let listed = try await call(["keys.list", "--json"], server, ["MUSTER_KEY": "\(object.secret)\n"])
            #expect(listed.status == 0 && listed.output.contains(object.keyID), "\(listed.output)")
            let few = try await ServerProcess.run(
                "muster-server", ["key", "create", "test", "--name", "shop", "--scopes", "users.get, segments.*"], owner
            )
            #expect(few.status == 0 && few.output.contains("It has the scopes users.get, segments.*."), "\(few.output)")
            let none = try await ServerProcess.run("muster-server", ["key", "create", "nowhere"], owner)
            #expect(none.status == 1 && none.output.contains("there is no workspace nowhere"), "\(none.output)")
        }
    }

    @Test(.enabled(if: TestCertificates.isPossible, "there is no openssl command"))
    func tlsErrorsArePermanent() async throws {
        let certificates = try TestCertificates()
        let tls = [
            "MUSTER_TLS_CERTIFICATE": certificates.file("server.pem"),
            "MUSTER_TLS_KEY": certificates.file("server.key"),
        ]
        let ca = certificates.file("server.pem")
        try await ServerProcess.withServing(tls, authorities: ca) { server, _, database in
            let owner = ["MUSTER_DATABASE_URL": database.ownerURL]
            let made = try await ServerProcess.run("muster-server", ["key", "create", "test", "--json"], owner)
            let key = try JSONDecoding.decode(Made.self, from: Array(made.output.utf8)).secret
            for (arguments, variables) in [
                (["--ca-file", ca], [:]), ([], ["MUSTER_CA_FILE": ca]), (["--tls"], ["MUSTER_CA_FILE": ca]),
                ([], ["MUSTER_CA_FILE": ca, "MUSTER_TLS": "true"]),
            ] as [([String], [String: String])] {
                let result = try await call(
                    ["server.health"] + arguments, server, variables.merging(["MUSTER_KEY": key]) { $1 })
                #expect(result.status == 0, "\(result.output)")
            }
            for (arguments, variables, words) in [
                ([], [:], "Pass --tls"), (["--tls"], [:], "--ca-file or MUSTER_CA_FILE"),
                ([], ["MUSTER_TLS": "1"], "not signed by a trusted authority"),
                (["--ca-file", certificates.file("other.pem")], [:], "not signed by a trusted authority"),
                (["--ca-file", "/nowhere.pem"], [:], "/nowhere.pem"),
                (["--ca-file", ca, "--server", "127.1:\(server.port)"], [:], "is for localhost, 127.0.0.1"),
            ] as [([String], [String: String], String)] {
                let result = try await call(
                    ["server.health"] + arguments, server, variables.merging(["MUSTER_KEY": key]) { $1 })
                #expect(result.status == 76 && result.output.contains(words), "\(arguments): \(result.output)")
                #expect(result.output.split(separator: "\n").count == 2, "\(result.output)")
                #expect(!result.output.contains("OPENSSL") && !result.output.contains(key))
            }
        }
    }

    @Test func anInvalidServerOrKeyIsReportedWithItsSource() async throws {
        for (arguments, variables, words) in [
            (["--server", "https://muster.example.com"], [:], "not a URL, in --server"),
            ([], ["MUSTER_SERVER": "tcp://10.96.12.7:7878"], "not a URL, in MUSTER_SERVER"),
            (["--plaintext", "--tls"], [:], "--plaintext contradicts"),
            ([], ["MUSTER_TLS": "maybe"], "MUSTER_TLS"), ([], ["MUSTER_KEY": "two words"], "MUSTER_KEY"),
            ([], ["MUSTER_KEY": "\n"], "No key: set MUSTER_KEY"),
            ([], ["MUSTER_TLS": "false", "MUSTER_CA_FILE": "x"], "unset one"),
        ] as [([String], [String: String], String)] {
            let environment = ["MUSTER_KEY": "k"].merging(variables) { $1 }
            let result = try await ServerProcess.run("muster", ["call", "server.health"] + arguments, environment)
            #expect(result.status == 64 && result.output.contains(words), "\(result.output)")
            #expect(!result.output.contains("two words"))
        }
    }

    @Test func aServerWithoutCertificateOpensOnlyAllowedListeners() async throws {
        let names = ["LISTEN", "REST", "OPS"]
        for open in names {
            var settings = ["MUSTER_\(open)_HOST": "0.0.0.0"]
            for other in names where other != open { settings["MUSTER_\(other)_INSECURE"] = "true" }
            let (status, said) = try await ServerProcess.untilEnded("host=127.0.0.1 port=9 dbname=x", settings)
            #expect(status == 1 && said.contains("MUSTER_\(open)_INSECURE"), "\(said)")
        }
    }

    /// The log of a server as a program reads it.
    @Test func jsonLogsHaveNumbersAndNameOpenListenersAndIgnoredVariables() async throws {
        let log = FileManager.default.temporaryDirectory.appending(path: "muster-log-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        let settings = [
            "MUSTER_LOG_FORMAT": "json", "MUSTER_LOG_LEVEL": "debug", "MUSTER_OPS_PORT": "tcp://10.96.12.7:7881",
            "MUSTER_REST_HOST": "0.0.0.0", "MUSTER_REST_INSECURE": "true", "MUSTER_OPS_HOST": "",
        ]
        var migrated: [String] = []
        try await ServerProcess.withServing(settings, errors: log) { server, client, database in
            _ = try await client.send(UpsertUsers(users: [UserEntry(externalID: "12345")]))
            migrated = try await migrating(database)
            // A TLS handshake on a plaintext port.
            let connection = try await RawConnection(port: Int(server.port))
            try await connection.send([0x16, 0x03, 0x01, 0x00, 0x05, 1, 0, 0, 1, 0])
            try #require(await eventually { connection.isClosed })
            await connection.close()
        }
        let said = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init) + migrated
        let lines = try said.map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        func line(_ message: String) throws -> [String: Any] {
            try #require(lines.first { ($0["message"] as? String)?.hasPrefix(message) == true }, "\(message)")
        }
        #expect(try line("Schema is current")["schema"] is Int)
        #expect(try line("Schema is current")["postgres"] is String)
        #expect(try line("Request done")["us"] is Double)
        #expect(try line("Request done")["method"] is String)
        let open = try line("REST listens beyond this machine without TLS")
        #expect(open["level"] as? String == "warning" && open["port"] as? Int == 0)
        #expect(!lines.contains { ($0["message"] as? String)?.hasPrefix("RPC listens beyond") == true })
        #expect(try line("A variable is ignored")["variable"] as? String == "MUSTER_OPS_PORT")
        #expect((try line("Connection refused")["reason"] as? String)?.contains("TLS handshake") == true)
        #expect(try line("Migration applied")["only_adds"] is Bool)
        #expect(try line("Access repaired")["statements"] is Int)
        #expect(try line("Newer schema left alone")["schema"] as? Int == 9_999)
        for line in lines {
            // No text looks like a number or a boolean; values that are numbers do.
            for (name, value) in line where name != "postgres" {
                let text = value as? String
                #expect(text.flatMap(Double.init) == nil && text.flatMap(Bool.init) == nil, "\(name): \(value)")
            }
        }
    }

    /// The messages of `migrate` for a new database, a missing grant, and a newer schema.
    private func migrating(_ database: TestDatabase) async throws -> [String] {
        func migrate(_ url: String) async throws -> [String] {
            let (status, output) = try await ServerProcess.run(
                "muster-server", ["migrate", "--log-format", "json"], ["MUSTER_DATABASE_URL": url])
            #expect(status == 0, "\(output)")
            return output.split(separator: "\n").map(String.init)
        }
        var lines = try await TestDatabase.withEmpty { empty in try await migrate(empty.ownerURL) }
        try await database.run("REVOKE SELECT ON workspace FROM muster_server")
        lines += try await migrate(database.ownerURL)
        try await database.run(
            "INSERT INTO migration (version, name, applied_at, only_adds) VALUES (9999, 'new', now(), true)")
        return try await lines + migrate(database.ownerURL)
    }

    @Test(.enabled(if: TestCertificates.isPossible, "there is no openssl command"))
    func aFailedTLSHandshakeIsLoggedWithItsCause() async throws {
        let certificates = try TestCertificates()
        let log = FileManager.default.temporaryDirectory.appending(path: "muster-log-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        let settings = [
            "MUSTER_LOG_LEVEL": "info", "MUSTER_TLS_CERTIFICATE": certificates.file("server.pem"),
            "MUSTER_TLS_KEY": certificates.file("server.key"),
        ]
        try await ServerProcess.withServing(settings, authorities: certificates.file("server.pem"), errors: log) {
            server, _, _ in
            for arguments in [[], ["--tls"]] {
                _ = try await call(["server.health"] + arguments, server, ["MUSTER_KEY": "k"])
            }
            let connection = try await RawConnection(port: Int(server.port))
            try await connection.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
            try #require(await eventually { connection.isClosed })
            await connection.close()
        }
        let said = try String(contentsOfFile: log, encoding: .utf8)
        for reason in [
            "the client speaks no TLS", "the client trusts no authority that signed the certificate",
            "the client speaks HTTP without TLS",
        ] {
            #expect(said.contains("TLS handshake failed listener=RPC reason=\"\(reason)\""), "\(said)")
        }
        #expect(!said.contains("OPENSSL"))
    }

    // MARK: Tools

    private struct Made: Decodable {
        var keyID: String
        var name: String
        var scopes: [String]
        var secret: String
        var workspace: String

        enum CodingKeys: String, CodingKey {
            case keyID = "key_id"
            case name, scopes, secret, workspace
        }
    }

    private func call(
        _ arguments: [String], _ server: ServerProcess, _ variables: [String: String]
    ) async throws -> (status: Int32, output: String) {
        try await ServerProcess.run(
            "muster", ["call"] + arguments, ["MUSTER_SERVER": "localhost:\(server.port)"].merging(variables) { $1 })
    }
}
