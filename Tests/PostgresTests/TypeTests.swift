import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct TypeTests {
    @Test func everyTypeSurvivesARoundTrip() async throws {
        let seed = TestSeed("types of PostgreSQL")
        var random = seed.random
        try await withDatabase { database in
            for _ in 0..<25 {
                let values = Values(&random)
                let back = try await database.read(deadline: soon, values.sql) { try Values($0) }
                #expect(back == [values], "MUSTER_SEED=\(seed.value)")
            }
        }
    }

    @Test func arraysSurviveARoundTripWithTheirNulls() async throws {
        let seed = TestSeed("types of PostgreSQL")
        var random = seed.random
        try await withDatabase { database in
            for _ in 0..<25 {
                let values = Arrays(&random)
                let back = try await database.read(deadline: soon, values.sql) { try Arrays($0) }
                #expect(back == [values], "MUSTER_SEED=\(seed.value)")
            }
        }
    }

    @Test func extremeValuesSurviveARoundTrip() async throws {
        try await withDatabase { database in
            try await database.transaction(deadline: soon) { connection in
                func echo<T: PostgresEncodable & PostgresDecodable & Equatable>(
                    _ value: T, _ connection: borrowing Connection
                ) throws {
                    let back = try connection.first("SELECT \(value)") { try $0.value(0, as: T.self) }
                    #expect(back == value)
                }
                for value in [Int32.min, -1, 0, .max] { try echo(value, connection) }
                for value in [Int64.min, -1, 0, .max] { try echo(value, connection) }
                for value in [Double.infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0] {
                    try echo(value, connection)
                }
                for text in ["", " ", "é", "e\u{301}", "😀", "\u{10FFFF}", "it's \"quoted\"; DROP TABLE t; --", "$1"] {
                    try echo(text, connection)
                    try echo(Text(text.utf8), connection)
                }
                try echo([UInt8](), connection)
                try echo([UInt8](0...255), connection)
                try echo([Int32](), connection)
                try echo([String](), connection)
                try echo(TextArray(), connection)
                try echo(String?.none, connection)
                try echo([Int32]?.none, connection)
                // PostgreSQL's count from 2000 must not overflow when it is converted to a count from 1970.
                try echo(Timestamp(microsecondsSince1970: -1), connection)
            }
        }
    }

    @Test func theServerReadsTheValuesThatAreSent() async throws {
        try await withDatabase { database in
            let texts = try await database.read(
                deadline: soon,
                """
                SELECT \(true)::text, \(Int16(-2))::text, \(Int32(3))::text, \(Int64(-4))::text, \(0.5)::text, \([UInt8]([1, 255]))::text,
                    (\(Timestamp(microsecondsSince1970: 1_700_000_000_123_456)) AT TIME ZONE 'UTC')::text,
                    (\(JSONB(#"{"b": [1], "a": null}"#.utf8)))::text, (\([Int32]([1, 2])))::text, \(["a", nil, ""])::text
                """
            ) { row in try (0..<row.count).map { try row.value($0, as: String.self) } }
            #expect(
                texts == [
                    [
                        "true", "-2", "3", "-4", "0.5", #"\x01ff"#, "2023-11-14 22:13:20.123456",
                        #"{"a": null, "b": [1]}"#, "{1,2}", #"{a,NULL,""}"#,
                    ]
                ])
        }
    }

    @Test func nulIsRefusedBeforeItIsSent() async throws {
        try await withDatabase { database in
            let statements: [SQL] = [
                "SELECT \("victim\0junk")", "SELECT \(Text([0]))", "SELECT \(["a", "\0"])", "SELECT \(JSONB([0]))",
                "SELECT \(TextArray(bytes: [97, 0], ends: [2]))",
            ]
            for sql in statements {
                let error = try await failure { _ = try await database.read(deadline: soon, sql) { _ in } }
                #expect(error.kind == .encoding)
            }
            let script = try await failure {
                try await database.withConnection(deadline: soon) { try $0.run(script: "SELECT 1;\0 SELECT 2") }
            }
            #expect(script.kind == .encoding)
        }
    }

    @Test func valuesOutOfRangeAreRefused() async throws {
        try await withDatabase { database in
            for ends: [Int32] in [[3], [2, 1], [-1], [.max]] {
                let sql: SQL = "SELECT \(TextArray(bytes: [97, 98], ends: ends))"
                let error = try await failure { _ = try await database.read(deadline: soon, sql) { _ in } }
                #expect(error.kind == .encoding)
            }
        }
    }

    @Test func aValueThatDoesNotFitIsAnErrorAndNotATrap() async throws {
        try await withDatabase { database in
            func decoding<T: PostgresDecodable & Sendable>(_ sql: SQL, _ type: T.Type, column: Int = 0) async throws {
                let error = try await failure {
                    _ = try await database.read(deadline: soon, sql) { try $0.value(column, as: T.self) }
                }
                #expect(error.kind == .decoding)
            }
            try await decoding("SELECT NULL::int4", Int32.self)
            try await decoding("SELECT 1::int8", Int32.self)
            try await decoding("SELECT 'a'::text", Int.self)
            try await decoding("SELECT 1", String.self)
            try await decoding("SELECT 1", Int.self, column: 1)
            try await decoding("SELECT 1", Int.self, column: -1)
            try await decoding("SELECT 300::int2", UInt8.self)
            try await decoding("SELECT 'infinity'::timestamptz", Timestamp.self)
            try await decoding("SELECT '-infinity'::timestamptz", Timestamp.self)
            try await decoding("SELECT ARRAY[[1,2],[3,4]]", [Int32].self)
            try await decoding("SELECT ARRAY['a']", [Int32].self)
            try await decoding("SELECT ARRAY[1,NULL]", [Int32].self)
            try await decoding("SELECT ARRAY['a',NULL]", TextArray.self)
            try await decoding("SELECT 1", [Int32].self)
            try await decoding("SELECT 'abc'::text", TextArray.self)
        }
    }
}

extension SeededRandom {
    mutating func text() -> String {
        let scalars = (0..<Int.random(in: 0...12, using: &self)).compactMap { _ in
            Unicode.Scalar(UInt32.random(in: 1...0x10FFFF, using: &self))
        }
        return String(String.UnicodeScalarView(scalars))
    }

    mutating func bytes() -> [UInt8] {
        (0..<Int.random(in: 0...40, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    mutating func maybe<T>(_ make: (inout SeededRandom) -> T) -> T? {
        Int.random(in: 0..<4, using: &self) == 0 ? nil : make(&self)
    }

    mutating func many<T>(_ make: (inout SeededRandom) -> T) -> [T] {
        (0..<Int.random(in: 0...5, using: &self)).map { _ in make(&self) }
    }
}

struct Values: Equatable {
    let bool: Bool?, int16: Int16?, int32: Int32?, int64: Int64?, int: Int?, double: Double?
    let string: String?, bytes: [UInt8]?, timestamp: Timestamp?, jsonb: JSONB?, text: Text?

    init(_ random: inout SeededRandom) {
        bool = random.maybe { Bool.random(using: &$0) }
        int16 = random.maybe { Int16.random(in: .min ... .max, using: &$0) }
        int32 = random.maybe { Int32.random(in: .min ... .max, using: &$0) }
        int64 = random.maybe { Int64.random(in: .min ... .max, using: &$0) }
        int = random.maybe { Int.random(in: .min ... .max, using: &$0) }
        double = random.maybe {
            Double(sign: .minus, exponent: Int.random(in: -300...300, using: &$0), significand: 1.7)
        }
        string = random.maybe { $0.text() }
        bytes = random.maybe { $0.bytes() }
        timestamp = random.maybe {
            Timestamp(
                microsecondsSince1970: .random(in: -200_000_000_000_000_000...9_000_000_000_000_000_000, using: &$0))
        }
        jsonb = random.maybe { JSONB("[\(Int32.random(in: .min ... .max, using: &$0)), true]".utf8) }
        text = random.maybe { Text($0.text().utf8) }
    }

    init(_ row: borrowing Row) throws {
        bool = try row.value(0)
        int16 = try row.value(1)
        int32 = try row.value(2)
        int64 = try row.value(3)
        int = try row.value(4)
        double = try row.value(5)
        string = try row.value(6)
        bytes = try row.value(7)
        timestamp = try row.value(8)
        jsonb = try row.value(9)
        text = try row.value(10)
    }

    var sql: SQL {
        """
        SELECT \(bool), \(int16), \(int32), \(int64), \(int), \(double),
            \(string), \(bytes), \(timestamp), \(jsonb), \(text)
        """
    }

    /// Compares texts by bytes: `String ==` would miss a change of composition.
    static func == (left: Values, right: Values) -> Bool {
        left.bool == right.bool && left.int16 == right.int16 && left.int32 == right.int32 && left.int64 == right.int64
            && left.int == right.int && left.double == right.double && left.bytes == right.bytes
            && left.string.map { Array($0.utf8) } == right.string.map { Array($0.utf8) }
            && left.timestamp == right.timestamp && left.jsonb == right.jsonb && left.text == right.text
    }
}

struct Arrays: Equatable {
    let bools: [Bool?], int32s: [Int32], maybes: [Int32?], int64s: [Int64], doubles: [Double?], texts: [Text?]
    let bytes: [[UInt8]?], timestamps: [Timestamp], documents: [JSONB], flat: TextArray

    init(_ random: inout SeededRandom) {
        bools = random.many { $0.maybe { Bool.random(using: &$0) } }
        int32s = random.many { Int32.random(in: .min ... .max, using: &$0) }
        maybes = random.many { $0.maybe { Int32.random(in: .min ... .max, using: &$0) } }
        int64s = random.many { Int64.random(in: .min ... .max, using: &$0) }
        doubles = random.many { $0.maybe { Double.random(in: -1...1, using: &$0) } }
        texts = random.many { $0.maybe { Text($0.text().utf8) } }
        bytes = random.many { $0.maybe { $0.bytes() } }
        timestamps = random.many {
            Timestamp(microsecondsSince1970: .random(in: 0...2_000_000_000_000_000, using: &$0))
        }
        documents = random.many { JSONB("{\"n\": \(Int32.random(in: 0...9, using: &$0))}".utf8) }
        var flat = TextArray()
        for text in random.many({ $0.text() }) { try? flat.append(text.utf8) }
        self.flat = flat
    }

    init(_ row: borrowing Row) throws {
        bools = try row.value(0)
        int32s = try row.value(1)
        maybes = try row.value(2)
        int64s = try row.value(3)
        doubles = try row.value(4)
        texts = try row.value(5)
        bytes = try row.value(6)
        timestamps = try row.value(7)
        documents = try row.value(8)
        flat = try row.value(9)
    }

    var sql: SQL {
        """
        SELECT \(bools), \(int32s), \(maybes), \(int64s), \(doubles), \(texts),
            \(bytes), \(timestamps), \(documents), \(flat)
        """
    }
}
