import Foundation
import MusterTestSupport
import Testing

extension TestDatabase {
    /// Fills this empty database from a dump of another one, taken at this moment.
    func restoreDump(of source: TestDatabase) async throws {
        try run("pg_dump", ["--dbname", source.ownerURL], into: "psql", ["--dbname", ownerURL])
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

    /// Of the newest PostgreSQL here, or of the one in MUSTER_PG_BIN: pg_dump refuses a server newer than itself.
    private func tool(_ name: String) throws -> URL {
        let environment = ProcessInfo.processInfo.environment
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        let newest = folders.compactMap { Int($0) }.max().map { "/usr/lib/postgresql/\($0)/bin" }
        let path = environment["PATH"] ?? ""
        let candidates =
            [environment["MUSTER_PG_BIN"], newest].compactMap(\.self) + path.split(separator: ":").map(String.init)
        let found = candidates.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return URL(filePath: try #require(found, "\(name) is not installed: apt-get install postgresql-client"))
    }
}
