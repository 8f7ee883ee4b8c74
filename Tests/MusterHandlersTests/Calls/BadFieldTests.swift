import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// Every field of every call with every kind of value that it must not have: refused with the place, and nothing
/// applied.
@Suite struct BadFieldTests {
    @Test func aValueOfAnotherTypeIsRefusedWithItsPath() async throws {
        try await eachCall(moreThan: 700) { call, body, session in
            var count = 0
            for place in body.places() {
                for wrong in Self.wrongValues(at: place.path, right: place.value) {
                    let answer = try await session.answer(call.method, place.replacing(wrong).text)
                    let context = "\(call.method) \(place.path) = \(wrong.text): \(answer.text)"
                    #expect(answer.code == .invalidArgument, "\(context)")
                    #expect(answer.message.contains(place.path), "\(context)")
                    #expect(answer.details.string("field") == place.path, "\(context)")
                    let reasons = Self.reasons(for: wrong, insteadOf: place.value)
                    #expect(answer.details.reason.map(reasons.contains) == true, "\(context)")
                    #expect(answer.message.contains("must be") || answer.message.contains("must have"), "\(context)")
                    count += 1
                }
            }
            return count
        }
    }

    @Test func anErrorNamesAFieldOfItsCall() async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "s", filter: .everyone))
            let unknown = try await session.answer(
                CheckSegments.method, #"{"users":[{"external_id":"u-1"}],"segments":["s","nope"]}"#)
            #expect(unknown.code == .notFound && unknown.details.reason == .unknownSegment, "\(unknown.text)")
            #expect(unknown.details.string("field") == "segments[1]", "\(unknown.text)")
            let nameless = try await session.answer(to: framed("{\"id\":7,\"body\":{}}"))
            #expect(nameless.message.hasPrefix("method is missing"), "\(nameless.text)")
            #expect(nameless.details.string("field") == "method" && nameless.details.reason == .missing)
            #expect(try await session.goesOn())
        }
    }

    @Test func anUnknownFieldIsRefusedWithItsPath() async throws {
        try await eachCall(moreThan: 100) { call, body, session in
            var count = 0
            let whole = (path: "", value: body, replacing: { (new: Tree) in new })
            for place in [whole] + body.places() where place.value.kind == .object {
                // Names that are data.
                if ["attributes", "attributes[0]"].contains(where: place.path.hasSuffix) { continue }
                let answer = try await session.answer(
                    call.method, place.replacing(place.value.with("dry_run", .scalar("true"))).text)
                let path = place.path.isEmpty ? "dry_run" : "\(place.path).dry_run"
                #expect(answer.code == .invalidArgument, "\(call.method) \(path): \(answer.text)")
                #expect(answer.message.hasPrefix("\(path) is not a field"), "\(call.method): \(answer.message)")
                #expect(answer.details.string("field") == path, "\(call.method): \(answer.text)")
                #expect(answer.details.reason == .unknownField, "\(call.method): \(answer.text)")
                count += 1
            }
            return count
        }
    }

    @Test func theEnvelopeMayHaveUnknownFields() async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            let traced = #"{"id":7,"trace":{"parent":"00-1"},"method":"server.health","body":{}}"#
            #expect(try await session.answer(to: framed(traced)).code == nil)
        }
    }

    @Test func aServerListsTheFieldsThatItKnows() async throws {
        try await withMuster { muster in
            let info = try await muster.send(GetInfo(withMethods: true))
            let methods = try #require(info.methods)
            #expect(methods.map(\.method) == allCalls.map { call in call.method })
            let imports = try #require(methods.first { $0.method == ImportCohort.method })
            #expect(imports.fields.contains("cohort_changes[].should_remove"))
            #expect(try await muster.send(GetInfo()).methods == nil)
        }
    }

    @Test func aMissingFieldIsNamed() async throws {
        try await eachCall(moreThan: 60) { call, body, session in
            var count = 0
            for field in try call.bodyFields() where field.isTopLevel && field.presence == .required {
                for absent in [body.with(field.path, nil), body.with(field.path, .scalar("null"))] {
                    let answer = try await session.answer(call.method, absent.text)
                    #expect(answer.code == .invalidArgument, "\(call.method) without \(field.path)")
                    #expect(answer.message.hasPrefix(field.path), "\(call.method): \(answer.message)")
                    #expect(answer.details.string("field") == field.path, "\(call.method): \(answer.text)")
                    #expect([.missing, .wrongType].contains(answer.details.reason), "\(call.method): \(answer.text)")
                    count += 1
                }
            }
            return count
        }
    }

    @Test(arguments: ["{}", #"{"key":null}"#, #"{"key":7}"#, #"{"key":["x"]}"#, #"{"key":{}}"#, #"{"key":true}"#])
    func aKeyOfAnotherTypeEndsTheConnection(body: String) async throws {
        try await withMuster { muster in
            let connection = try await RawConnection(port: muster.server.rpc.boundPort ?? 0)
            try await connection.send(request(1, OpenSession.method, body))
            guard case .error(1, let error)? = try await connection.next() else { throw TookTooLong() }
            #expect(error.code == .invalidArgument)
            #expect(error.message.hasPrefix("key "))
            while let frame = try await connection.next() { #expect(frame.id == nil) }
        }
    }

    @Test func aBodyIsAnObject() async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            for body in ["null", "7", "\"x\"", "[]", "true"] {
                let answer = try await session.answer(GetHealth.method, body)
                #expect(answer.code == .invalidArgument)
                #expect(answer.message.contains("body"), "\(answer.message)")
            }
            let nothing = try await session.answer(to: framed("{\"id\":7,\"method\":\"server.health\"}"))
            #expect(nothing.message.contains("body is missing"))
            let nobody = try await session.answer("users.forget", "{}")
            #expect(nobody.code == .unimplemented)
            #expect(try await session.goesOn())
        }
    }

    @Test(arguments: [
        (CreateKey.method, "kind", "import, service"),
        (SizeSegment.method, "filter.attribute.comparison", "equals, not_equal"),
        (SizeSegment.method, "filter.event.count.comparison", "equals, not_equal, greater_than"),
        (SizeSegment.method, "filter.purchase.last_purchase.comparison", "before, after"),
    ])
    func anUnknownMethodIsRefusedWithTheKnownOnes(method: String, path: String, names: String) async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            let body =
                switch path.split(separator: ".").dropFirst().first {
                case "attribute": #"{"filter":{"attribute":{"name":"a","comparison":"like","value":1}}}"#
                case "event": #"{"filter":{"event":{"name":"a","count":{"comparison":"like","value":1}}}}"#
                case "purchase":
                    #"{"filter":{"purchase":{"last_purchase":{"comparison":"like","value":"2026-01-01"}}}}"#
                default: #"{"kind":"like","name":"x"}"#
                }
            let answer = try await session.answer(method, body)
            #expect(answer.code == .invalidArgument)
            #expect(answer.message.hasPrefix("\(path) must be one of \(names)"), "\(answer.message)")
        }
    }

    // MARK: Bodies

    /// Runs `body` with every call but the opening one, the call's full body, and a session; it answers how many
    /// requests it made. None of them may change anything or end the session.
    private func eachCall(
        moreThan floor: Int, _ body: (any Call.Type, Tree, RawSession) async throws -> Int
    ) async throws {
        try await withMuster { muster in
            try await seed(muster)
            let before = try await muster.database.fingerprint()
            let session = try await RawSession.open(muster.server)
            var count = 0
            for call in allCalls where call.method != OpenSession.method {
                count += try await body(call, try fullBody(of: call), session)
            }
            #expect(count > floor)
            #expect(try await session.goesOn())
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    /// Why such a value can be refused.
    private static func reasons(for wrong: Tree, insteadOf right: Tree) -> Set<RefusalReason> {
        if wrong.kind != right.kind { return [.wrongType] }
        return wrong.kind == .number ? [.wrongType, .outOfRange] : [.invalidFormat]
    }

    /// One value of each kind that a place must not have. `null` counts as absent, which another test is about.
    private static func wrongValues(at path: String, right: Tree) -> [Tree] {
        if path.contains("attributes") && path != "users[0].attributes" { return [] }  // any value is an attribute
        // Fields of these are validated object by object: users.track answers with its errors.
        if path.hasPrefix("events[0].") || path.hasPrefix("purchases[0].") { return [] }
        let isFilterValue = path.hasSuffix("attribute.value")
        let isAmount = path.hasSuffix("total_spent.value")
        let isTime = ["_at", ".after", ".before", "last_purchase.value"].contains(where: path.hasSuffix)
        var wrong = Tree.Kind.allCases.filter { kind in
            if isFilterValue { return kind == .array || kind == .object }
            return kind != right.kind && kind != .null
        }.compactMap { Self.examples[$0] }
        if right.kind == .number, !isFilterValue, !isAmount { wrong += ["1.5", "-1.5", "1e100"].map(Tree.scalar) }
        if isTime { wrong += ["\"yesterday\"", "\"2026-13-01\"", "\"\""].map(Tree.scalar) }
        return wrong
    }

    private static let examples: [Tree.Kind: Tree] = [
        .bool: .scalar("true"), .number: .scalar("7"), .string: .scalar("\"text\""), .array: .array([]),
        .object: .object([]),
    ]

    private func seed(_ muster: MusterUnderTest) async throws {
        try await muster.register(["u-1", "u-2", "u-7"])
        try await muster.importCohort("win-back", adding: ["u-1"])
        try await muster.importCohort("active", adding: ["u-2"])
    }
}

/// The example of a call with every optional field filled in.
func fullBody(of call: any Call.Type) throws -> Tree {
    func example<C: Call>(_: C.Type) throws -> Tree { try Tree(encoding: C.example.call) }
    var body = try example(call)
    for field in try call.bodyFields() where field.isTopLevel && body[field.path] == nil {
        let sample = try #require(samples[field.path], "\(call.method): what is \(field.path) like?")
        body = body.with(field.path, .scalar(sample))
    }
    return try JSONReader().read(Array(body.text.utf8), Tree.init)
}

/// What optional fields are like, where an example leaves them out.
private let samples = [
    "order": #""oldest_first""#, "skip": "0", "fields_to_export": #"["country"]"#,
    "custom_attributes_to_export": #"["plan"]"#, "ending_at": #""2026-01-01""#,
    "page_size": "10", "page_token": #""x""#, "with_versions": "true", "with_outcomes": "true", "must_exist": "true",
    "with_nodes": "true", "with_marginals": "true", "regions": #"[{"everyone":{}},{"not":{"everyone":{}}}]"#,
    "sample": "10", "seed": "1", "list": #""stayed""#,
    "all_identifiers": "true", "max_staleness_ms": "0", "at_version": "1", "version": "1", "if_version": "1",
    "request_id": #""r-1""#,
    "external_id": #""u-1""#, "created_at": #""2026-01-01""#, "expires_at": #""2126-01-01T00:00:00Z""#,
    "scopes": #"["segments.*"]"#,
    "merge_when": #""never""#, "enabled": "true", "force": "true", "partner_api_key": #""0123456789abcdef""#,
    "display_name": #""Name""#,
    "partner": #""tinyclues""#,
    "name": #""Name""#, "name_contains": #""x""#, "segment_id": #""fr-win-back""#,
    "filter":
        #"{"any":[{"cohort":{"partner":"tinyclues","cohort_id":"active"}},{"not":{"everyone":{}}},{"event":{"name":"a","count":{"comparison":"equals","value":1},"within_days":7,"after":"2026-01-01","before":"2026-02-01"}},{"purchase":{"product_id":"a","currency":"EUR","count":{"comparison":"less_than","value":1},"total_spent":{"comparison":"greater_than","value":9.5},"last_purchase":{"comparison":"after","value":"2026-01-01"},"within_days":7,"after":"2026-01-01","before":"2026-02-01"}}]}"#,
    "at":
        #"{"everyone":1,"cohorts":[{"partner":"tinyclues","cohort_id":"active","version":1,"generation":16}],"segments":[]}"#,
]
