import Foundation
import Postgres
import TestSupport
import Testing

@testable import muster_server

/// What can be said of docker-compose.yml without a Docker: its variables are put in as Compose does, and the settings
/// are read.
struct ComposeTests {
    private static let passwords = [
        "plain", "it's", "a b ", "back\\slash", "$HOME ${X} $$", "per%25cent%", "a@b:c/d#e?f", "\"quoted\"", "é日本",
        "a=b",
        "' host=evil",
    ]

    @Test(arguments: passwords) func everyPasswordReachesPostgreSQLAsItIs(password: String) async throws {
        let migrate = try environment(
            of: "migrate", ["POSTGRES_PASSWORD": password, "MUSTER_SERVER_ROLE_PASSWORD": "x"])
        let owner = try await Settings.load(flags: [:], environment: migrate, file: nil)
        try owner.checkDatabase()
        #expect(try self.password(owner, migrate) == password)
        #expect(owner.serverRolePassword == "x")
        #expect(try ConnectionString(owner.databaseURL)["host"] == "postgres")

        let names = ["POSTGRES_PASSWORD": "x", "MUSTER_SERVER_ROLE_PASSWORD": password]
        let made = try await Settings.load(flags: [:], environment: try environment(of: "migrate", names), file: nil)
        #expect(made.serverRolePassword == password)
        let serve = try environment(of: "server", names)
        let server = try await Settings.load(flags: [:], environment: serve, file: nil)
        try server.checkDatabase()
        try server.checkListeners()
        #expect(try self.password(server, serve) == password)
        #expect(try ConnectionString(server.databaseURL)["user"] == "muster_server")
    }

    @Test func aMissingPasswordIsReported() throws {
        for service in ["postgres", "migrate", "server"] {
            #expect(throws: Missing.self) { try environment(of: service, [:]) }
        }
    }

    /// What libpq would take: the connection string's, else the variable's.
    private func password(_ settings: Settings, _ environment: [String: String]) throws -> String? {
        try ConnectionString(settings.databaseURL)["password"] ?? environment["PGPASSWORD"]
    }

    private struct Missing: Error {}

    /// The variables of a service, as Compose would give them to it: it reads the YAML first, and puts in values then.
    private func environment(of service: String, _ variables: [String: String]) throws -> [String: String] {
        let root = Repository.root
        let file = try String(contentsOf: root.appending(path: "docker-compose.yml"), encoding: .utf8)
        var found: [String: String] = [:]
        var path: [String] = []
        for line in file.split(separator: "\n") {
            guard let match = line.wholeMatch(of: /( *)([A-Za-z_]+):(?: +(.*))?/) else { continue }
            path = Array(path.prefix(match.1.count / 2)) + [String(match.2)]
            guard path.dropLast() == ["services", service, "environment"], let value = match.3 else { continue }
            let plain = value.hasPrefix("\"") ? value.dropFirst().dropLast() : value
            found[String(match.2)] = try interpolated(String(plain), variables)
        }
        try #require(!found.isEmpty)
        return found
    }

    private func interpolated(_ text: String, _ variables: [String: String]) throws -> String {
        var (result, rest) = ("", text[...])
        while let match = rest.firstMatch(of: /\$\{([A-Z_]+)(:\?[^}]*)?\}/) {
            guard let value = variables[String(match.1)] else { throw Missing() }
            result += String(rest[..<match.range.lowerBound]) + value
            rest = rest[match.range.upperBound...]
        }
        return result + rest
    }
}
