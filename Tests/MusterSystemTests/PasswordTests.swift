import Foundation
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import muster_server

/// A PostgreSQL with passwords accepts each of them, passed in every documented way.
@Suite(.enabled(if: PrivateCluster.isPossible, "there is no PostgreSQL to start")) struct PasswordTests {
    private static let passwords = [
        "plain", "it's", " a b ", "back\\slash\\", "$HOME ${X} $$", "per%25cent%", "a@b:c/d#e?f&g", "\"quoted\"", "é日本",
        "password=x", "'́ accent on a quote", "tab\tand\nline", String(repeating: "long ", count: 40),
    ]

    @Test func eachPasswordWorksInEachWay() async throws {
        try await PrivateCluster.with { cluster in
            let owner = cluster.url
            try await requirePasswords(cluster)
            for password in Self.passwords {
                // As in a mounted secret.
                let migrated = try await ServerProcess.run(
                    "muster-server", ["migrate"],
                    ["MUSTER_DATABASE_URL": owner, "MUSTER_SERVER_ROLE_PASSWORD": "\(password)\n"])
                #expect(migrated.status == 0, "\(migrated.output)")
                try await withTemporaryFile { file in
                    for (way, variables) in try ways(of: password, owner, file) {
                        let result = try await ServerProcess.run("muster-server", ["workspace", "list"], variables)
                        #expect(result.status == 0, "\(way): \(password.debugDescription): \(result.output)")
                        #expect(!result.output.contains(password))
                    }
                }
            }
            let wrong = await connect(owner + " user=muster_server password=wrong")
            #expect(!wrong)
        }
    }

    /// The variables of a server with the password in each documented way, one of which is a file.
    private func ways(of password: String, _ owner: String, _ file: String) throws -> [(String, [String: String])] {
        var string = try ConnectionString(owner)
        string["user"] = "muster_server"
        let (bare, host) = (string.text, string["host"] ?? "")
        string["password"] = password
        let allowed = CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: "a"..."z"))
        func encoded(_ text: String) -> String { text.addingPercentEncoding(withAllowedCharacters: allowed) ?? "" }
        let url = "postgresql://muster_server:\(encoded(password))@/\(string["dbname"] ?? "")?host=\(encoded(host))"
        var ways = [
            ("keywords", ["MUSTER_DATABASE_URL": string.text]), ("URL", ["MUSTER_DATABASE_URL": "\(url)\n"]),
            ("PGPASSWORD", ["MUSTER_DATABASE_URL": bare, "PGPASSWORD": password]),
            ("PGPASSWORD of a file", ["MUSTER_DATABASE_URL": bare, "PGPASSWORD": "\(password)\n"]),
        ]
        // A line of such a file is a password, and libpq reads no longer lines.
        if !password.contains("\n") {
            let escaped = password.replacing("\\", with: "\\\\").replacing(":", with: "\\:")
            try Data("*:*:*:muster_server:\(escaped)\n".utf8).write(to: URL(filePath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            ways.append(("PGPASSFILE", ["MUSTER_DATABASE_URL": bare, "PGPASSFILE": file]))
            ways.append(("PGPASSFILE of a file", ["MUSTER_DATABASE_URL": bare, "PGPASSFILE": "\(file)\n"]))
        }
        return ways
    }

    private func requirePasswords(_ cluster: PrivateCluster) async throws {
        try cluster.setAuthentication(["local all muster trust", "local all all scram-sha-256"])
        let owner = cluster.url
        let migrated = try await ServerProcess.run(["migrate"], databaseURL: owner)
        try #require(migrated == 0)
        // The postmaster reads the file some time later.
        for _ in 0..<100 {
            guard await connect(owner + " user=muster_server") else { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("PostgreSQL asks for no password")
    }

    private func connect(_ url: String) async -> Bool {
        let answer = try? await TestDatabase.open(url, connections: 1) { database in
            try await database.read(deadline: .now + .seconds(2), "SELECT 1") { row in try row.value(0, as: Int32.self)
            }
        }
        return answer == [1]
    }
}
