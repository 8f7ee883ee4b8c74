import MusterProtocol
import MusterTestSupport
import Testing

/// Bytes that are no request: refused in words that say why, and nothing applied. The connection goes on where the
/// request's id could be read; otherwise the reply has no request to belong to, and the connection ends.
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
    ].map { Case("duplicate key \($0)", $0, "has an object with a duplicate key", .goesOn) }

    /// Where no single user's entry can be blamed.
    private static let unusable: [Case] = [
        ("segments.create", #"{"segment_id":"s\u0000","name":"s","filter":{"everyone":{}}}"#, "segment_id"),
        ("segments.create", #"{"segment_id":"s","name":"\ud800","filter":{"everyone":{}}}"#, "name"),
        (
            "segments.create",
            #"{"segment_id":"s","name":"s","filter":{"attribute":{"name":"a","comparison":"equals","value":"\u0000"}}}"#,
            "filter.attribute.value"
        ),
        ("cohorts.import", #"{"partner":"tinyclues","cohort_id":"\udc00","cohort_changes":[]}"#, "cohort_id"),
        ("cohorts.create", #"{"partner":"tinyclues","cohort_id":"c","name":"a\u0000"}"#, "name"),
        ("users.get", #"{"user":{"external_id":"\u0000"}}"#, "user.external_id"),
        ("users.delete", #"{"users":[{"external_id":"u-1"},{"external_id":"\u0000"}]}"#, "users[1].external_id"),
        ("users.upsert", #"{"users":[{"external_id":"u-1"}],"request_id":"\ud800"}"#, "request_id"),
        ("users.track", #"{"attributes":[{"external_id":"u-1","a":1}],"request_id":"\u0000"}"#, "request_id"),
    ].map { method, body, path in
        Case(
            "\(method) \(path)", Array(request(7, method, body).utf8), "\(path) has U+0000 or half of a surrogate pair",
            .goesOn)
    }

    private static let numbers: [Case] = [
        ("1e400", "number"), ("-1e400", "number"), ("9007199254740993", "outside of ±2^53"),
        ("-9007199254740993", "±2^53"),
        ("18446744073709551616", "too large"), ("01", "not valid JSON"), ("NaN", "not valid JSON"),
        ("+1", "not valid JSON"),
        ("0x10", "not valid JSON"), (".5", "not valid JSON"),
    ].map { number, says in
        Case("number \(number)", #"{"users":[{"external_id":"u-9","attributes":{"a":\#(number)}}]}"#, says, .goesOn)
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
        return Case("UTF-8: \(name)", message, "not valid UTF-8, at byte \(head.utf8.count)", .goesOn)
    }

    private static let shapes: [Case] = [
        Case(
            "byte order mark", Array(("\u{FEFF}" + request(7, UpsertUsers.method, #"{"users":[]}"#)).utf8),
            "byte order mark", .goesOn),
        Case("nothing", [UInt8](), ""), Case("an array", Array("[]".utf8), "must be an object"),
        Case("two objects", Array((request(7, UpsertUsers.method, #"{"users":[]}"#) + "{}").utf8), ""),
        Case("cut", Array(request(7, UpsertUsers.method, #"{"users":[]}"#).utf8.dropLast()), "ends too early", .goesOn),
        Case("cut after the id", Array("{\"id\":7".utf8), "ends too early"),
        Case("two ids", Array(#"{"id":7,"id":8,"method":"users.upsert","body":{}}"#.utf8), "a duplicate key"),
        Case(
            "the id behind what is wrong", Array(#"{"body":{"a":b},"id":7,"method":"users.upsert"}"#.utf8),
            "not valid JSON"),
        Case(
            "the id behind a bad string", Array("{\"body\":{\"a\":\"\u{1}\"},\"id\":7,\"method\":\"x\"}".utf8),
            "control character", .goesOn),
        Case("depth 200", #"{"users":\#(nested(200))}"#, "nested deeper than 96 levels (json_depth)", .goesOn),
        Case("depth 100,000", #"{"users":\#(nested(100_000))}"#, "nested deeper than 96 levels (json_depth)", .goesOn),
        Case(
            "200,001 values", #"{"users":[\#(String(repeating: "1,", count: 200_001))1]}"#,
            "more than 200000 values (json_values)", .goesOn),
        Case("no id", Array(#"{"method":"users.upsert","body":{"users":[]}}"#.utf8), "id is missing"),
        Case(
            "id 1.5", Array(#"{"id":1.5,"method":"users.upsert","body":{"users":[]}}"#.utf8),
            "id must be a whole number"),
        Case("id -1", Array(#"{"id":-1,"method":"users.upsert","body":{"users":[]}}"#.utf8), "id must not be negative"),
        Case("method 7", Array(#"{"id":7,"method":7,"body":{}}"#.utf8), "method must be a string", .goesOn),
        Case("no method", Array(#"{"id":7}"#.utf8), "none of the fields that begin a message", .goesOn),
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

    @Test func invalidRequestsAreRefusedAndNotApplied() async throws {
        try await withMuster { muster in
            let before = try await muster.database.fingerprint()
            for bad in Self.duplicateKeys + Self.unusable + Self.numbers + Self.texts + Self.shapes {
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
