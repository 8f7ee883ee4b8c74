import Foundation
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import Testing

struct DumpTests {
    @Test func aRestoredDumpHasTheSameRowsAndServes() async throws {
        try await TestDatabase.with { test in
            try await fill(test)
            let before = try await contents(test.ownerURL)
            #expect(before["partner"] != before["segment"])
            try await TestDatabase.withEmpty { copy in
                try run("pg_dump", ["--dbname", test.ownerURL], into: "psql", ["--dbname", copy.ownerURL])
                #expect(try await contents(copy.ownerURL) == before)
                try await TestDatabase.open(copy.serverURL) { database in
                    try await Schema(database: database).check(deadline: .soon)
                    let store = Store(database: database, cacheBytes: 64 << 20, logger: quietLogger)
                    #expect(try await store.partners(limit: 10, in: test.workspace, deadline: .soon).count == 2)
                }
            }
        }
    }

    private func fill(_ test: TestDatabase) async throws {
        let other = try await test.makeWorkspace("other")
        try await test.withStore { store in
            for workspace in [test.workspace, other] {
                for partner in ["one", "two"] {
                    _ = try await store.setPartner(
                        partner, PartnerChange(displayName: "Ünö 'quoted'\n"), at: .now, in: workspace, deadline: .soon)
                }
            }
        }
    }

    /// A digest of the rows of each table.
    private func contents(_ url: String) async throws -> [String: String] {
        try await TestDatabase.open(url) { database in
            let rows = try await database.read(
                deadline: .soon,
                """
                SELECT relname::text, coalesce((xpath('/row/n/text()', query_to_xml(format(
                    'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) AS n FROM %I AS t', relname),
                    false, true, '')))[1]::text, '')
                FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                """
            ) { row in (try row.value(0, as: String.self), try row.value(1, as: String.self)) }
            return Dictionary(uniqueKeysWithValues: rows)
        }
    }

    private func run(_ first: String, _ arguments: [String], into second: String, _ more: [String]) throws {
        let (source, sink, pipe) = (Process(), Process(), Pipe())
        source.executableURL = try tool(first)
        source.arguments = arguments
        source.standardOutput = pipe
        sink.executableURL = try tool(second)
        sink.arguments = more + ["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null"]
        sink.standardInput = pipe
        try source.run()
        try sink.run()
        source.waitUntilExit()
        sink.waitUntilExit()
        #expect(source.terminationStatus == 0)
        #expect(sink.terminationStatus == 0)
    }

    /// Of the newest PostgreSQL here: pg_dump refuses a server newer than itself.
    private func tool(_ name: String) throws -> URL {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        let newest = folders.compactMap { Int($0) }.max().map { "/usr/lib/postgresql/\($0)/bin" }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let candidates = [newest].compactMap(\.self) + path.split(separator: ":").map(String.init)
        let found = candidates.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return URL(filePath: try #require(found, "\(name) is not installed: apt-get install postgresql-client"))
    }
}
