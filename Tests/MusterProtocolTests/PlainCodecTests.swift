import TestSupport
import Testing

@testable import MusterProtocol

/// Calls that arrive often are read and written without `Codable`: the same bodies are accepted and refused, with the
/// same errors, and the same bytes are written.
@Suite struct PlainCodecTests {
    @Test func bodiesAreReadAsTheGenericCodecReadsThem() throws {
        var random = TestSeed("bodiesAreReadAsTheGenericCodecReadsThem").random
        var plain = 0
        for _ in 0..<20_000 {
            let kind = random.below(5)
            let body = random.mutated(random.body(of: kind))
            let isPlain =
                switch kind {
                case 0: try compare(CheckSegments.self, body)
                case 1: try compare(SegmentsOfUser.self, body)
                case 2: try compare(SizeSegment.self, body)
                case 3: try compare(GetHealth.self, body)
                default: try compare(GetInfo.self, body)
                }
            if isPlain { plain += 1 }
        }
        #expect((4_000..<16_000).contains(plain), "the cases are of both kinds")
    }

    /// Whether the body was read in its plain form.
    private func compare<C: Call>(_: C.Type, _ text: String) throws -> Bool {
        var isPlain = false
        let message = Array("{\"body\":\(text)}".utf8)
        do {
            try JSONReader().read(message) { message in
                let body = try #require(message.field("body"))
                isPlain = C.plain(body) != nil
                let read = Result { try JSONDecoding.decode(call: C.self, from: body) }
                let expected = Result { try JSONDecoding.decode(request: C.self, from: body) }
                switch (read, expected) {
                case (.success(let read), .success(let expected)): #expect(read == expected, "\(text)")
                case (.failure(let read), .failure(let expected)):
                    #expect(read as? JSONError == expected as? JSONError && read is JSONError, "\(text)")
                default: Issue.record("\(C.method) \(text): \(read), \(expected)")
                }
            }
        } catch is JSONError {}  // no message at all
        return isPlain
    }

    @Test func examplesAreReadInTheirPlainForm() throws {
        func check<C: Call>(_: C.Type) throws {
            let bytes = try JSONEncoding.encode(C.example.call)
            try JSONReader().read(bytes) { body in #expect(C.plain(body) == C.example.call, "\(C.method)") }
        }
        try check(CheckSegments.self)
        try check(SegmentsOfUser.self)
        try check(SizeSegment.self)
        try check(GetHealth.self)
        try check(GetInfo.self)
    }

    @Test func requestsAreReadAsTheEnvelopeReadsThem() throws {
        var random = TestSeed("requestsAreReadAsTheEnvelopeReadsThem").random
        var plain = 0
        for _ in 0..<20_000 {
            let text = random.mutated(random.request())
            try? JSONReader().read(Array(text.utf8)) { message in
                guard let request = PlainRequest(message) else { return }
                plain += 1
                guard case .request(let id, let method, let deadline, let body?)? = try? Envelope(message) else {
                    Issue.record("\(text)")
                    return
                }
                #expect(request.id == id && request.deadlineMilliseconds == deadline, "\(text)")
                #expect(request.method.elementsEqual(method.utf8), "\(text)")
                #expect(RawJSON(request.body) == RawJSON(body), "\(text)")
            }
        }
        #expect((4_000..<16_000).contains(plain), "the cases are of both kinds")
    }

    @Test func repliesAreWrittenAsTheGenericCodecWritesThem() throws {
        var random = TestSeed("repliesAreWrittenAsTheGenericCodecWritesThem").random
        func compare<C: Call>(_: C.Type, _ reply: C.Reply) {
            let written = Result {
                var bytes = Array("x".utf8)
                try C.append(reply, to: &bytes)
                return String(decoding: bytes, as: UTF8.self)
            }
            let expected = Result { "x" + String(decoding: try JSONEncoding.encode(reply), as: UTF8.self) }
            switch (written, expected) {
            case (.success(let written), .success(let expected)): #expect(written == expected)
            case (.failure(let written), .failure(let expected)):
                #expect(written as? JSONError == expected as? JSONError && written is JSONError)
            default: Issue.record("\(C.method): \(written), \(expected)")
            }
        }
        for _ in 0..<5_000 {
            let versions = random.maybe { $0.versions() }
            compare(
                CheckSegments.self,
                .init(
                    results: random.list { random in
                        CheckResult(random.chance(50) ? .known : .unknown, in: random.list { $0.chance(50) })
                    }, versions: versions))
            compare(
                SegmentsOfUser.self,
                .init(
                    segments: random.list { NamedSegment(segmentID: $0.identifier(), name: $0.text()) },
                    versions: versions, nextPageToken: random.maybe { $0.text() }))
            compare(
                SizeSegment.self,
                .init(
                    size: Int(random.wideInteger()),
                    nodes: random.maybe { $0.list { NodeSize(path: $0.text(), size: Int($0.wideInteger())) } },
                    marginals: random.chance(20)
                        ? random.list { NodeSize(path: $0.text(), size: Int($0.wideInteger())) } : nil,
                    regions: random.chance(20)
                        ? random.list { RegionSize(in: $0.list { $0.chance(50) }, size: Int($0.wideInteger())) } : nil,
                    versions: versions))
            compare(
                GetInfo.self,
                .init(
                    version: random.text(), schemaVersion: Int(random.wideInteger()),
                    postgres: .init(
                        version: random.text(), fsync: "on", synchronousCommit: "on", fullPageWrites: "on",
                        durability: .full),
                    restURL: random.maybe { $0.text() },
                    limits: random.list { random in
                        .init(
                            name: random.text(), value: Int(random.wideInteger()), unit: random.text(),
                            reason: random.text())
                    },
                    methods: random.maybe { $0.list { .init(method: $0.text(), fields: $0.list { $0.text() }) } }))
            compare(GetHealth.self, .init(status: random.chance(50) ? .serving : .draining))
        }
    }
}

extension SeededRandom {
    fileprivate mutating func identifier() -> Identifier {
        chance(1) ? Identifier(bytes: [0xFF]) : Identifier(text())
    }

    /// Rarely one that can't be sent.
    fileprivate mutating func wideInteger() -> Int64 { chance(1) ? 1 << 53 + 1 : integer() }

    fileprivate mutating func versions() -> Versions {
        Versions(
            everyone: wideInteger(), attributes: maybe { $0.integer() }, events: maybe { $0.integer() },
            cohorts: list { random in
                CohortVersion(
                    partner: random.text(), cohortID: random.identifier(), version: random.integer(),
                    generation: random.maybe { Int32(truncatingIfNeeded: $0.integer()) })
            },
            segments: list { SegmentVersion(segmentID: $0.identifier(), version: $0.integer()) })
    }
}

/// Bodies: mostly valid, with every field in any order.
extension SeededRandom {
    fileprivate mutating func body(of kind: Int) -> String {
        let id = { (random: inout SeededRandom) in random.string() }
        switch kind {
        case 0:
            return object([
                ("users", 98, { random in random.array { $0.user() } }), ("segments", 98, { $0.array(id) }),
                ("with_versions", 30, { $0.bool() }), ("max_staleness_ms", 30, { $0.number() }),
            ])
        case 1:
            return object([
                ("user", 98, { $0.user() }), ("with_versions", 30, { $0.bool() }),
                ("max_staleness_ms", 30, { $0.number() }), ("page_size", 30, { $0.number() }), ("page_token", 30, id),
            ])
        case 2:
            return object([
                ("segment_id", 60, id), ("filter", 40, { $0.filter(3) }), ("with_nodes", 30, { $0.bool() }),
                ("with_marginals", 15, { $0.bool() }), ("regions", 15, { $0.array { $0.filter(2) } }),
                ("with_versions", 30, { $0.bool() }), ("max_staleness_ms", 30, { $0.number() }),
                ("at", 5, { _ in "{\"everyone\":1,\"cohorts\":[],\"segments\":[]}" }),
            ])
        case 3: return object([])
        default: return object([("with_methods", 50, { $0.bool() })])
        }
    }

    fileprivate mutating func request() -> String {
        object([
            ("id", 98, { $0.number() }), ("method", 98, { $0.string() }), ("deadline_ms", 30, { $0.number() }),
            ("body", 98, { $0.body(of: $0.below(5)) }), ("trace", 3, { $0.string() }), ("cancel", 1, { $0.number() }),
        ])
    }

    private mutating func user() -> String {
        let field = { (name: String) in (name, 100, { (random: inout SeededRandom) in random.string() }) }
        let alias = { (random: inout SeededRandom) in random.object([field("alias_label"), field("alias_name")]) }
        switch below(20) {
        case 0..<10: return object([field("external_id")])
        case 10..<13: return object([field("device_id")])
        case 13..<16: return object([("alias", 100, alias)])
        case 16: return object([field("braze_id")])
        case 17: return object([field("email"), ("prioritization", 50, { _ in "[\"identified\"]" })])
        case 18: return object([field("external_id"), ("prioritization", 50, { _ in "[\"identified\"]" })])
        default: return object([("external_id", 50, { $0.string() }), field("device_id")])
        }
    }

    private mutating func filter(_ depth: Int) -> String {
        let id = { (random: inout SeededRandom) in random.string() }
        switch below(depth > 0 ? 9 : 5) {
        case 0: return object([("everyone", 100, { $0.object([]) })])
        case 1: return object([("segment", 100, { $0.object([("segment_id", 100, id)]) })])
        case 2: return object([("attribute", 100, { $0.object([("name", 100, id), ("comparison", 100, id)]) })])
        case 3, 4: return object([("cohort", 100, { $0.object([("partner", 100, id), ("cohort_id", 100, id)]) })])
        case 5: return object([("not", 100, { $0.filter(depth - 1) })])
        case 6: return object([("any", 100, { random in random.array { $0.filter(depth - 1) } })])
        default: return object([("all", 100, { random in random.array { $0.filter(depth - 1) } })])
        }
    }

    /// An object of fields that are there in so many of a hundred cases.
    private mutating func object(_ fields: [(String, Int, (inout SeededRandom) -> String)]) -> String {
        var text: [String] = []
        for (name, percent, value) in fields.shuffled(using: &self) where chance(percent) {
            text.append("\"\(name)\":\(value(&self))")
        }
        return "{\(text.joined(separator: ","))}"
    }

    private mutating func array(_ element: (inout SeededRandom) -> String) -> String {
        "[\((0..<below(4)).map { _ in element(&self) }.joined(separator: ","))]"
    }

    private mutating func string() -> String {
        pick(["\"u-1\"", "\"é\\n\"", "\"\"", "\"\\u0041\"", "\"a b\"", "\"\\ud83d\\ude00\""]) ?? ""
    }

    private mutating func bool() -> String { chance(50) ? "true" : "false" }

    private mutating func number() -> String { pick(["0", "1", "7.0", "1e3", "9007199254740992", "60000"]) ?? "" }

    /// The text, in half of the cases with one part replaced by something else.
    fileprivate mutating func mutated(_ text: String) -> String {
        guard chance(50) else { return text }
        let replacements = [
            "null", "7", "-1", "1.5", "1e300", "true", "\"x\"", "[]", "{}", "[null]", "\"\\u0000\"", "\"\\ud800\"", "",
            "{\"x\":1}", "[7]",
        ]
        let pieces = ["\"u-1\"", "\"é\\n\"", "true", "false", "60000", "7.0", "{}", "[]", "_id\"", "users", "e", "1"]
        guard let piece = pick(pieces), text.contains(piece) else {
            return text.replacingFirst("{", with: pick(["{\"x\":1,", "{\"user\":null,", "[{"]) ?? "")
        }
        return text.replacingFirst(piece, with: pick(replacements) ?? "")
    }
}

extension String {
    fileprivate func replacingFirst(_ piece: String, with other: String) -> String {
        guard let range = firstRange(of: piece) else { return self }
        return replacingCharacters(in: range, with: other)
    }

    private func replacingCharacters(in range: Range<String.Index>, with other: String) -> String {
        var text = self
        text.replaceSubrange(range, with: other)
        return text
    }
}
