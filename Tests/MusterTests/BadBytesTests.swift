import MusterProtocol
import MusterTestSupport
import Testing

/// Bytes that are no request: refused in words that say why, and nothing applied. The connection goes on where the request's id could be
/// read; where it could not, nobody knows whose answer it would be, and it ends.
@Suite struct BadBytesTests {
    enum Ending { case goesOn, ends }

    struct Case: CustomStringConvertible, Sendable {
        let name: String
        let message: [UInt8]
        let says: String
        let ending: Ending
        var description: String { name }

        init(_ name: String, _ message: [UInt8], _ says: String, _ ending: Ending = .ends) {
            (self.name, self.message, self.says, self.ending) = (name, message, says, ending)
        }
        init(_ name: String, _ body: String, _ says: String, _ ending: Ending = .ends) {
            self.init(name, Array(request(7, UpsertUsers.method, body).utf8), says, ending)
        }
    }

    private static let duplicateKeys: [Case] = [
        #"{"users":[],"users":[{"external_id":"u-9"}]}"#,
        #"{"users":[{"external_id":"u-9"}],"us\u0065rs":[]}"#,
        #"{"users":[{"external_id":"u-9","external_id":"u-8"}]}"#,
        #"{"users":[{"external_id":"u-9","attributes":{"a":1,"a":1}}]}"#,
        #"{"users":[{"external_id":"u-9","attributes":{"a":1,"\u0061":2}}]}"#,
        #"{"users":[{"external_id":"u-9","attributes":{"a":{"b":[{"c":1,"c":2}]}}}]}"#,
        #"{"users":[{"external_id":"u-9","attributes":{"é":1,"\u00e9":2}}]}"#,
        #"{"users":[{"external_id":"u-9"}],"ignored":{"x":1,"x":1}}"#,
    ].map { Case("duplicate key \($0)", $0, "has a key twice in one object") }

    private static let nuls: [Case] = [
        #"{"users":[{"external_id":"u\u0000"}]}"#, #"{"users":[{"external_id":"u-9","attributes":{"a\u0000":1}}]}"#,
        #"{"users":[{"external_id":"u-9","attributes":{"a":["x","\u0000"]}}]}"#,
        #"{"users":[{"external_id":"u-9"}],"ig\u0000nored":1}"#, #"{"users":[{"device_ids":["u-9\u0000"]}]}"#,
    ].map { Case("U+0000 \($0)", $0, "has U+0000 in a string") }

    private static let numbers: [Case] = [
        ("1e400", "number"), ("-1e400", "number"), ("9007199254740993", "outside of ±2^53"),
        ("-9007199254740993", "±2^53"),
        ("18446744073709551616", "too large"), ("01", "doesn't allow"), ("NaN", "not JSON"), ("+1", "not JSON"),
        ("0x10", "doesn't allow"), (".5", "not JSON"),
    ].map { number, says in
        Case("number \(number)", #"{"users":[{"external_id":"u-9","attributes":{"a":\#(number)}}]}"#, says)
    }

    private static let texts: [Case] = [
        ([0xFF], "0xFF"), ([0xC3, 0x28], "cut"), ([0xC0, 0x80], "U+0000 in two bytes"),
        ([0xED, 0xA0, 0x80], "a surrogate"),
        ([0xF4, 0x90, 0x80, 0x80], "past U+10FFFF"), ([0xE2, 0x82], "cut at the end"),
    ].map { (bytes: [UInt8], name: String) -> Case in
        let head = #"{"id":7,"method":"users.upsert","body":{"users":[{"external_id":"u-9"#
        var message = Array(head.utf8)
        message += bytes
        message += Array(#""}]}}"#.utf8)
        return Case("UTF-8: \(name)", message, "UTF-8")
    }

    private static let shapes: [Case] = [
        Case(
            "byte order mark", Array(("\u{FEFF}" + request(7, UpsertUsers.method, #"{"users":[]}"#)).utf8),
            "byte order mark"),
        Case("a lone surrogate", #"{"users":[{"external_id":"\ud800"}]}"#, "not JSON"),
        Case("nothing", [UInt8](), ""), Case("an array", Array("[]".utf8), "must be an object"),
        Case("two objects", Array((request(7, UpsertUsers.method, #"{"users":[]}"#) + "{}").utf8), ""),
        Case("cut", Array(request(7, UpsertUsers.method, #"{"users":[]}"#).utf8.dropLast()), ""),
        Case("depth 200", #"{"users":\#(nested(200))}"#, "nested deeper than 96 levels (json_depth)"),
        Case("depth 100,000", #"{"users":\#(nested(100_000))}"#, "nested deeper than 96 levels (json_depth)"),
        Case(
            "200,001 values", #"{"users":[\#(String(repeating: "1,", count: 200_001))1]}"#,
            "more than 200000 values (json_values)"),
        Case("no id", Array(#"{"method":"users.upsert","body":{"users":[]}}"#.utf8), "id is missing"),
        Case(
            "id 1.5", Array(#"{"id":1.5,"method":"users.upsert","body":{"users":[]}}"#.utf8),
            "id must be a whole number"),
        Case("id -1", Array(#"{"id":-1,"method":"users.upsert","body":{"users":[]}}"#.utf8), "id must not be negative"),
        Case("method 7", Array(#"{"id":7,"method":7,"body":{}}"#.utf8), "method must be a string", .goesOn),
        Case("no method", Array(#"{"id":7}"#.utf8), "none that the protocol knows", .goesOn),
        Case(
            "two kinds", Array(#"{"id":7,"method":"users.upsert","body":{},"cancel":3}"#.utf8), "two kinds at once",
            .goesOn),
        Case(
            "deadline 0", Array(#"{"id":7,"method":"users.upsert","deadline_ms":0,"body":{}}"#.utf8),
            "deadline_ms must be at least 1", .goesOn),
        Case(
            "deadline 1.5", Array(#"{"id":7,"method":"users.upsert","deadline_ms":1.5,"body":{}}"#.utf8),
            "deadline_ms must be a whole", .goesOn),
        Case("nested attributes", #"{"users":\#(nested(90))}"#, "users[0] must be an object, and is an array", .goesOn),
    ]

    @Test func whatIsNoRequestIsRefusedAndNotApplied() async throws {
        try await withMuster { muster in
            let before = try await muster.database.fingerprint()
            for bad in Self.duplicateKeys + Self.nuls + Self.numbers + Self.texts + Self.shapes {
                let session = try await RawSession.open(muster.server)
                let answer = try await session.answer(to: framed(bytes: bad.message))
                #expect(answer.code == .invalidArgument, "\(bad): \(answer.text)")
                #expect(answer.message.contains(bad.says), "\(bad): \(answer.text)")
                expectReadable(answer, "\(bad)")
                switch bad.ending {
                case .goesOn: #expect(try await session.goesOn(), "\(bad)")
                case .ends: #expect(try await session.connection.rest().allSatisfy { $0.id == nil }, "\(bad)")
                }
                await session.connection.close()
            }
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    @Test func identifiersThatLookAlikeAreDifferent() async throws {
        try await withMuster { muster in
            // Composed, decomposed, another case, full width, and with a space at the end.
            let ids: [Identifier] = ["caf\u{E9}", "cafe\u{301}", "Caf\u{E9}", "caf\u{E9} ", "\u{FF43}afe"]
            try await muster.register(ids)
            for (index, id) in ids.enumerated() {
                try await muster.importCohort(id, adding: IdentifierList(Array(ids.prefix(index + 1))))
                _ = try await muster.send(CreateSegment(segmentID: id, name: "same", filter: .cohort("tinyclues", id)))
            }
            for (index, id) in ids.enumerated() {
                let cohort = try await muster.send(GetCohort(partner: "tinyclues", cohortID: id))
                #expect(cohort.size == index + 1)
                #expect(cohort.name.utf8.elementsEqual(id.bytes))
                let size = try await muster.send(SizeSegment(segmentID: id))
                #expect(size.size == index + 1)
            }
            let checked = try await muster.send(CheckSegments(users: ids.map(UserReference.externalID), segments: ids))
            for (user, result) in checked.results.enumerated() {
                #expect(result.in == ids.indices.map { $0 >= user })
            }
            let listed = try await muster.send(ListSegments())
            #expect(listed.segments.map(\.segmentID) == ids.sorted())
        }
    }
}

/// Arrays in one another.
private func nested(_ depth: Int) -> String {
    String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
}
