import Foundation
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Output and exit codes of the owner's commands, as processes.
@Suite struct OwnerCommandTests {
    @Test func anotherOwnerIsRefusedUntilItMigrates() async throws {
        try await TestDatabase.withPlainOwner { database, first in
            #expect(try await command(["migrate"], first).status == 0)
            #expect(try await command(["workspace", "create", "one"], first).status == 0)
            try await database.withRole("LOGIN CREATEROLE") { second in
                let url = try database.url(of: second)
                try await database.run("REASSIGN OWNED BY \(try user(of: first)) TO \(second)")
                for arguments in [["verify"], ["workspace", "create", "two"], ["key", "create", "one"]] {
                    let (status, said) = try await command(arguments, url)
                    #expect(status == 1, "\(said)")
                    #expect(said.contains("row-level security hides rows of the table"), "\(said)")
                    #expect(said.contains("run `muster-server migrate` as \(second)"), "\(said)")
                }
                let migrated = try await command(["migrate"], url)
                #expect(migrated.status == 0 && migrated.output.contains("Access repaired"), "\(migrated.output)")
                let again = try await command(["migrate"], url)
                #expect(again.status == 0 && !again.output.contains("Access repaired"), "\(again.output)")
                let verified = try await command(["verify"], url)
                #expect(
                    verified.status == 0 && verified.output.contains("1 sets, 0 changes, 0 identifiers, 0 problems"))
                #expect(try await command(["workspace", "create", "two"], url).status == 0)
                #expect(try await command(["key", "create", "one"], url).status == 0)
            }
        }
    }

    /// `pg_dump` by itself would end with 0 and a dump without rows. The lines are those of docs/backup.md.
    @Test func anOwnerThatSeesNoRowsTakesNoDump() async throws {
        let logical = try #require(
            String(contentsOf: Repository.file("docs/backup.md"), encoding: .utf8).split(separator: "\n## Logical\n")
                .last)
        let lines = try #require(logical.firstMatch(of: /```sh\n([^`]+)```/)).1
        let folder = FileManager.default.temporaryDirectory.appending(path: "muster-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Only records that it was called.
        let dump = folder.appending(path: "pg_dump")
        try Data("#!/bin/sh\n: >\(folder.path)/dumped\n".utf8).write(to: dump)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: dump.path)
        let server = URL(filePath: try ServerProcess.binary("muster-server")).deletingLastPathComponent().path
        func run(_ url: String) throws -> (status: Int32, isDumped: Bool) {
            let shell = Process()
            shell.executableURL = URL(filePath: "/bin/sh")
            shell.arguments = ["-c", String(lines)]
            shell.environment = ["MUSTER_DATABASE_URL": url, "PATH": "\(folder.path):\(server):/usr/bin:/bin"]
            shell.standardOutput = FileHandle.nullDevice
            shell.standardError = FileHandle.nullDevice
            try shell.run()
            shell.waitUntilExit()
            let dumped = folder.appending(path: "dumped").path
            return (shell.terminationStatus, FileManager.default.fileExists(atPath: dumped))
        }
        try await TestDatabase.withPlainOwner { database, first in
            #expect(try await command(["migrate"], first).status == 0)
            try await database.withRole("LOGIN CREATEROLE") { second in
                let url = try database.url(of: second)
                try await database.run("REASSIGN OWNED BY \(try user(of: first)) TO \(second)")
                #expect(try run(url) == (1, false))
                #expect(try await command(["migrate"], url).status == 0)
                #expect(try run(url) == (0, true))
            }
        }
    }

    @Test(arguments: ["SQL_ASCII", "LATIN1"])
    func aDatabaseOfAnotherEncodingIsRefusedUnchanged(_ encoding: String) async throws {
        try await TestDatabase.with { test in
            var url = try ConnectionString(test.ownerURL)
            let name = "\(url["dbname"] ?? "")_\(encoding.lowercased())"
            url["dbname"] = name
            let text = url.text
            try await cleaningUp(
                { try await test.run("DROP DATABASE IF EXISTS \(name)") },
                after: {
                    try await test.run("CREATE DATABASE \(name) TEMPLATE template0 ENCODING '\(encoding)' LOCALE 'C'")
                    let refusal = "the database is encoded in \(encoding) and identifiers are UTF-8"
                    for arguments in [["migrate"], ["workspace", "create", "one"]] {
                        let (status, said) = try await command(arguments, text)
                        #expect(status == 1 && said.contains(refusal), "\(said)")
                        #expect(!said.contains("Migration applied"), "\(said)")
                    }
                })
        }
    }

    @Test func anOlderMigrateReportsTheNewerSchema() async throws {
        try await TestDatabase.with { test in
            let current = try await command(["migrate"], test.ownerURL)
            #expect(current.status == 0 && current.output.contains("Schema is current"), "\(current.output)")
            try await test.run(
                "INSERT INTO migration (version, name, applied_at, only_adds) VALUES (9999, 'new', now(), true)")
            let older = try await command(["migrate"], test.ownerURL)
            #expect(older.status == 0 && older.output.contains("Newer schema left alone"), "\(older.output)")
            #expect(older.output.contains("Schema is newer and only adds"), "\(older.output)")
            #expect(!older.output.contains("Schema is current"), "\(older.output)")
        }
    }

    /// After a restore, `migrate` erases the users again that were erased since the backup.
    @Test func migrateErasesTheUsersOfJournalsAgain() async throws {
        try await TestDatabase.with { test in
            try await withTemporaryFile { first in
                try await withTemporaryFile { second in
                    for (number, file) in [first, second].enumerated() {
                        try Data(try await line(naming: Identifier("u-\(number)"), in: test).bytes)
                            .write(to: URL(filePath: file))
                    }
                    _ = try await line(naming: "u-2", in: test)
                    let missing = try await command(
                        ["migrate", "--erasure-journal", first, "--erasure-journal", "\(second).not"], test.ownerURL)
                    #expect(missing.status == 1 && missing.output.contains("\(second).not can't be read"))
                    #expect(try await left(in: test) == ["u-0", "u-1", "u-2"])
                    let setting = ["MUSTER_ERASURE_JOURNAL": second, "MUSTER_LOG_FORMAT": "json"]
                    let (status, said) = try await command(
                        ["migrate", "--erasure-journal", first], test.ownerURL, setting)
                    #expect(status == 0, "\(said)")
                    #expect(said.contains(#""erased":2,"named":2,"not_found":0"#), "\(said)")
                    #expect(try await left(in: test) == ["u-2"])
                    let again = try await command(["migrate"], test.ownerURL, setting)
                    #expect(again.status == 0 && again.output.contains(#""erased":0,"named":1,"not_found":1"#))
                    // Nothing has been erased yet.
                    let none = ["MUSTER_ERASURE_JOURNAL": "\(second).not"]
                    #expect(try await command(["migrate"], test.ownerURL, none).status == 0)
                    try Data((String(repeating: "x ", count: 9) + "\n").utf8).write(to: URL(filePath: second))
                    let damaged = try await command(["migrate", "--erasure-journal", second], test.ownerURL)
                    #expect(damaged.status == 1 && damaged.output.contains("damaged"), "\(damaged.output)")
                }
            }
        }
    }

    /// Registers a user, and returns the line of the journal for its erasure.
    private func line(naming id: Identifier, in test: TestDatabase) async throws -> JournalLine {
        try await test.withStore { store in
            let users = store.in(WorkspaceScope(test.workspace, deadline: .soon)).users
            _ = try await users.upsert(
                [UserEntry(externalID: id)], request: IdempotencyKey(method: UpsertUsers.method))
            let user = try #require(try await users.get(.externalID(id)))
            return JournalLine(workspace: test.workspace, brazeID: user.brazeID, erasedAt: .now)
        }
    }

    private func left(in test: TestDatabase) async throws -> [String] {
        try await TestDatabase.open(test.ownerURL, connections: 1) { database in
            try await database.read(
                deadline: .soon, "SELECT external_id::text FROM registered_user ORDER BY external_id"
            ) { try $0.value(0, as: String.self) }
        }
    }

    @Test func twoDatabasesOfOneClusterHaveServersOfTheirOwn() async throws {
        try await TestDatabase.withPlainOwner { first, owner in
            let role = "\(try user(of: owner))_server"
            let secret = ["MUSTER_SERVER_ROLE": role, "MUSTER_SERVER_ROLE_PASSWORD": "one"]
            try await cleaningUp(
                { try await drop(role, first) },
                after: {
                    #expect(try await command(["migrate"], owner, secret).status == 0)
                    try await TestDatabase.withEmpty { second in
                        let url = second.ownerURL
                        let other = secret.merging(["MUSTER_SERVER_ROLE_PASSWORD": "two"]) { $1 }
                        let refused = try await command(["migrate"], url, other)
                        #expect(refused.status == 1 && refused.output.contains("is used by other databases too"))
                        #expect(
                            refused.output.contains("server_role") && !refused.output.contains("two"),
                            "\(refused.output)")
                        #expect(try await command(["migrate", "--change-shared-password"], url, other).status == 0)
                        try await cleaningUp(
                            { try await drop("\(role)_2", second) },
                            after: {
                                let apart = try await command(["migrate", "--server-role", "\(role)_2"], url, other)
                                #expect(apart.status == 0, "\(apart.output)")
                            })
                        let unusable = try await command(["migrate", "--server-role", "a'b"], url)
                        #expect(unusable.status == 1 && unusable.output.contains("server_role"), "\(unusable.output)")
                        // Its rights in this database.
                        try await second.run("DROP OWNED BY \(role)")
                    }
                })
        }
    }

    /// A role that need not exist.
    private func drop(_ role: String, _ database: TestDatabase) async throws {
        try await database.run(
            """
            DO $$ BEGIN
                IF EXISTS (SELECT FROM pg_roles WHERE rolname = '\(role)') THEN DROP OWNED BY \(role); DROP ROLE \(role); END IF;
            END $$
            """)
    }

    private func user(of url: String) throws -> String { try ConnectionString(url)["user"] ?? "" }

    private func command(
        _ arguments: [String], _ url: String, _ environment: [String: String] = [:]
    ) async throws -> (status: Int32, output: String) {
        try await ServerProcess.run(
            "muster-server", arguments, environment.merging(["MUSTER_DATABASE_URL": url]) { $1 })
    }
}
