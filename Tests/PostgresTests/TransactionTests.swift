import Postgres
import Testing

@Suite struct TransactionTests {
    @Test func theClosureIsTheTransaction() async throws {
        try await withSchema(script: "CREATE TABLE t (id int4 PRIMARY KEY, name text)") { database in
            try await database.transaction(deadline: soon) { connection in
                try connection.execute("INSERT INTO t VALUES (\(Int32(1)), \("one")), (2, \(String?.none))")
            }
            struct Stop: Error {}
            await #expect(throws: Stop.self) {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("DELETE FROM t")
                    throw Stop()
                }
            }
            let rows = try await database.read(deadline: soon, "SELECT id, name FROM t ORDER BY id") { row in
                (try row.value(0, as: Int.self), try row.value(1, as: String?.self))
            }
            #expect(rows.map(\.0) == [1, 2])
            #expect(rows.map(\.1) == ["one", nil])
        }
    }
}
