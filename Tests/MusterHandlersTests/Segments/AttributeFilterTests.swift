import MusterProtocol
import MusterTestSupport
import Testing

/// Every comparison on every type of value: size, members and check agree, and the negative ones are exact opposites.
@Suite struct AttributeFilterTests {
    /// One user for each kind of value; `none` has no such attribute.
    private static let values: [(Identifier, AttributeValue?)] = [
        ("none", nil), ("text", "red"), ("other", "blue"), ("upper", "Red"), ("empty", ""), ("digits", "5"),
        ("composed", "caf\u{E9}"), ("decomposed", "cafe\u{301}"),
        ("zero", 0), ("five", 5), ("fiveAndHalf", .number(5.5)), ("minus", -5), ("big", .integer(1 << 53)),
        ("tiny", .number(.leastNonzeroMagnitude)),
        ("yes", true), ("no", false),
        ("day", "2026-03-01"), ("moment", "2026-03-01T12:00:00Z"), ("offset", "2026-03-01T13:00:00+02:00"),
        ("noDay", "2026-02-30"),
        ("reds", .strings([Array("red".utf8), Array("blue".utf8)])), ("nothing", .strings([])),
        ("numbers", .other(json("[5,\"red\"]"))), ("object", .other(json("{\"red\":5}"))),
    ]

    private static func json(_ text: String) -> RawJSON {
        // Of our own making, so that it can be read.
        (try? JSONReader().read(Array("{\"v\":\(text)}".utf8)) { RawJSON($0.field("v") ?? $0) }) ?? .emptyObject
    }

    private static let numbers: Set<Identifier> = ["zero", "five", "fiveAndHalf", "minus", "big", "tiny"]
    private static let positives: [(Comparison, FilterValue?, Set<Identifier>)] = [
        (.exists, nil, Set(values.compactMap { $1 == nil ? nil : $0 })),
        (.equals, .string("red"), ["text"]), (.equals, .string(""), ["empty"]), (.equals, .string("5"), ["digits"]),
        (.equals, .string("caf\u{E9}"), ["composed"]), (.equals, .string("cafe\u{301}"), ["decomposed"]),
        (.equals, .number(5), ["five"]), (.equals, .number(5.5), ["fiveAndHalf"]), (.equals, .number(-0.0), ["zero"]),
        (.equals, .number(0x1p53), ["big"]), (.equals, .number(.leastNonzeroMagnitude), ["tiny"]),
        (.equals, .boolean(true), ["yes"]), (.equals, .boolean(false), ["no"]), (.equals, .string("true"), []),
        (.greaterThan, .number(5), ["fiveAndHalf", "big"]),
        (.greaterThan, .number(0), ["five", "fiveAndHalf", "big", "tiny"]),
        (.greaterThanOrEqualTo, .number(5), ["five", "fiveAndHalf", "big"]), (.lessThan, .number(0), ["minus"]),
        (.lessThan, .number(5), ["zero", "minus", "tiny"]), (.lessThanOrEqualTo, .number(0), ["zero", "minus"]),
        (.greaterThanOrEqualTo, .number(-0x1p53), numbers),
        (.before, .string("2026-03-01T12:00:00Z"), ["day", "offset"]),
        (.after, .string("2026-03-01"), ["moment", "offset"]),
        (.before, .string("2026-03-01"), []), (.after, .string("2026-03-01T11:00:00Z"), ["moment"]),
        (.before, .string("2026-03-01T11:00:00.000001Z"), ["day", "offset"]),
        (.includesValue, .string("red"), ["reds", "numbers"]), (.includesValue, .string("green"), []),
        (.includesValue, .string("5"), []),
    ]

    private static let opposites: [Comparison: [Comparison]] = [
        .exists: [.doesNotExist], .equals: [.notEqual, .doesNotEqual], .includesValue: [.doesNotIncludeValue],
    ]

    private func withUsers(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster { muster in
            let users = Self.values.map { id, value in
                UserEntry(
                    externalID: id, attributes: value.map { Attributes([.init(name: Array("x".utf8), value: $0)]) })
            }
            let reply = try await muster.send(UpsertUsers(users: users))
            #expect(reply.created == users.count)
            try await body(muster)
        }
    }

    @Test func everyComparisonAnswersTheSameInEveryCall() async throws {
        try await withUsers { muster in
            let all = Self.values.map(\.0)
            var segments: [(Identifier, Set<Identifier>)] = []
            for (comparison, value, ids) in Self.positives {
                for comparison in [comparison] + (Self.opposites[comparison] ?? []) {
                    let expected = Self.isNegative(comparison) ? Set(all).subtracting(ids) : ids
                    let filter = Filter.attribute("x", comparison, value)
                    let members = try await muster.members(of: filter, pageSize: 7)
                    #expect(
                        Set(members) == expected && members.count == expected.count,
                        "\(comparison): \(members.map(\.text))")
                    let size = try await muster.send(SizeSegment(filter: filter))
                    #expect(size.size == expected.count, "\(comparison)")
                    let segment = Identifier("s\(segments.count)")
                    _ = try await muster.send(CreateSegment(segmentID: segment, name: "x", filter: filter))
                    segments.append((segment, expected))
                }
            }
            let check = try await muster.send(
                CheckSegments(users: all.map(UserReference.externalID), segments: segments.map(\.0)))
            for (id, result) in zip(all, check.results) {
                let expected = segments.map { $0.1.contains(id) }
                #expect(result.in == expected, "\(id.text)")
                let of = try await muster.send(SegmentsOfUser(user: .externalID(id)))
                #expect(
                    Set(of.segments.map(\.segmentID)) == Set(segments.filter { $0.1.contains(id) }.map(\.0)),
                    "\(id.text)")
            }
        }
    }

    @Test func aNumberIsItsValueHoweverItIsWritten() async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            let users =
                #"{"users":[{"external_id":"a","attributes":{"n":1}},{"external_id":"b","attributes":{"n":1.0}},{"external_id":"c","attributes":{"n":10e-1}}]}"#
            #expect(try await session.answer(UpsertUsers.method, users).code == nil)
            for value in ["1", "1.0", "1e0", "100E-2"] {
                let body = #"{"filter":{"attribute":{"name":"n","comparison":"equals","value":\#(value)}}}"#
                #expect(try await session.answer(SizeSegment.method, body) == .reply(#"{"size":3}"#))
            }
        }
    }

    @Test func namesOfAttributesAreBytes() async throws {
        try await withMuster { muster in
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "composed", attributes: ["\u{E9}": 1]),
                    UserEntry(externalID: "decomposed", attributes: ["e\u{301}": 1]),
                ]))
            #expect(try await muster.members(of: .attribute("\u{E9}", .exists)) == ["composed"])
            #expect(try await muster.members(of: .attribute("e\u{301}", .exists)) == ["decomposed"])
            #expect(try await muster.members(of: .attribute("e", .doesNotExist)) == ["composed", "decomposed"])
        }
    }

    @Test func aChangeOfAnAttributeIsSeenAtOnce() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let filter = Filter.all([.attribute("n", .greaterThan, .number(3)), .attribute("n", .lessThan, .number(9))])
            for (value, size) in [(5, 1), (9, 0), (4, 1), (3, 0)] as [(Int64, Int)] {
                _ = try await muster.send(
                    UpsertUsers(users: [UserEntry(externalID: "u-1", attributes: ["n": .integer(value)])]))
                let reply = try await muster.send(SizeSegment(filter: filter))
                #expect(reply.size == size)
            }
            _ = try await muster.send(UpsertUsers(users: [UserEntry(externalID: "u-1", attributes: ["n": .null])]))
            #expect(try await muster.members(of: .attribute("n", .doesNotExist)) == ["u-1", "u-2"])
        }
    }

    private static func isNegative(_ comparison: Comparison) -> Bool {
        opposites.values.contains { $0.contains(comparison) }
    }
}
