import Postgres
import Testing

@Suite struct CopyTests {
    private struct Stop: Error {}
    private let table = "CREATE TABLE t (id int4, name text, data bytea)"

    private func one(_ settings: inout DatabaseSettings) { settings.connections = 1 }

    @Test func rowsGoInAndComeOut() async throws {
        try await withSchema(one, script: table) { database in
            let count: Int32 = 50_000
            try await database.transaction(deadline: soon) { connection in
                try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer in
                    for id in 0..<count {
                        try writer.row(id, id % 7 == 0 ? nil : "user-\(id)", [UInt8(truncatingIfNeeded: id)])
                    }
                }
            }
            let seen = try await database.transaction(deadline: soon) { connection in
                var expected: Int32 = 0
                try connection.copyOut("COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT binary)") { row in
                    let (id, name, data) = (
                        try row.value(0, as: Int32.self), try row.value(1, as: String?.self),
                        try row.value(2, as: [UInt8].self)
                    )
                    guard row.count == 3, id == expected, data == [UInt8(truncatingIfNeeded: id)],
                        name == (id % 7 == 0 ? nil : "user-\(id)")
                    else { throw Sentence("row \(expected) is another one") }
                    expected += 1
                }
                return expected
            }
            #expect(seen == count)
        }
    }

    @Test func nothingGoesInAndComesOut() async throws {
        try await withSchema(one, script: table) { database in
            try await database.transaction(deadline: soon) { connection in
                try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { _ in }
                try connection.copyOut("COPY t TO STDOUT (FORMAT binary)") { _ in Issue.record("a row") }
            }
        }
    }

    @Test func aWriterThatThrowsLeavesNothing() async throws {
        try await withSchema(one, script: table) { database in
            await #expect(throws: Stop.self) {
                try await database.transaction(deadline: soon) { connection in
                    try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer in
                        for id in 0..<Int32(20_000) { try writer.row(id, "x", [UInt8]()) }
                        throw Stop()
                    }
                }
            }
            let nul = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { try $0.row(Int32(1), "\0", [UInt8]()) }
                }
            }
            #expect(nul.kind == .encoding)
            #expect(try await database.read(deadline: soon, "SELECT 1 FROM t") { _ in }.isEmpty)
        }
    }

    @Test func refusalsOfTheServerAreThrown() async throws {
        try await withSchema(one, script: table) { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { try $0.row(Int32(1)) }
                }
            }
            #expect(error.kind == .server)
            for sql: SQL in ["COPY missing TO STDOUT (FORMAT binary)", "SELECT 1", "COPY t FROM STDIN"] {
                _ = try await failure {
                    try await database.transaction(deadline: soon) { try $0.copyOut(sql) { _ in } }
                }
            }
            let text = try await failure {
                try await database.transaction(deadline: soon) {
                    try $0.copyOut("COPY (SELECT 'a long enough text to hold a header') TO STDOUT") { _ in }
                }
            }
            #expect(text.kind == .decoding)
            try await database.transaction(deadline: soon) { try $0.execute("SELECT 1 FROM t") }
        }
    }

    @Test func aReaderThatThrowsStopsTheServerAndKeepsTheConnection() async throws {
        try await withDatabase(one) { database in
            func backend() async throws -> [Int] {
                try await database.read(deadline: soon, "SELECT pg_backend_pid()") { try $0.value(0, as: Int.self) }
            }
            let before = try await backend()
            let start = ContinuousClock.now
            await #expect(throws: Stop.self) {
                try await database.transaction(deadline: soon) { connection in
                    try connection.copyOut("COPY (SELECT generate_series(1, 500000000)) TO STDOUT (FORMAT binary)") {
                        row in
                        if try row.value(0, as: Int32.self) == 1000 { throw Stop() }
                    }
                }
            }
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(try await backend() == before)
        }
    }

    @Test func aDeadlineEndsACopy() async throws {
        try await withDatabase(one) { database in
            _ = try await database.read(deadline: soon, "SELECT 1") { _ in }  // it is connected
            let error = try await failure {
                try await database.transaction(deadline: .now + .milliseconds(300)) { connection in
                    try connection.copyOut("COPY (SELECT pg_sleep(20)) TO STDOUT (FORMAT binary)") { _ in }
                }
            }
            #expect(error.kind == .deadlineExceeded)
        }
    }
}
