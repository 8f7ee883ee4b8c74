import MusterProtocol
import TestSupport
import Testing

/// The calls with an own coding for clients: it writes and reads the same as the generic one.
@Suite struct ClientCodingTests {
    @Test(arguments: TestSeed.several(200)) func bothCodingsWriteTheSameRequest(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        try expectSameBytes(random.check())
        try expectSameBytes(random.segmentsOfUser())
        try expectSameBytes(random.size())
    }

    /// An example has every field that its call is about: one that an own coding forgets is missed here.
    @Test func everyExampleIsWrittenWhole() throws {
        for type in allCalls { try expectWhole(type) }
    }

    private func expectWhole<C: Call>(_: C.Type) throws {
        try expectSameBytes(C.example.call)
        var bytes: [UInt8] = []
        try C.append(C.example.reply, to: &bytes)
        #expect(try String(decoding: bytes, as: UTF8.self) == encode(C.example.reply), "\(C.method)")
    }

    private func expectSameBytes(_ call: some Call) throws {
        var bytes = Array("before".utf8)
        try call.append(to: &bytes)
        #expect(try String(decoding: bytes, as: UTF8.self) == "before" + encode(call))
    }

    @Test func bothCodingsRefuseTheSameRequests() {
        let broken = Identifier(bytes: [0xC3, 0x28])
        let calls: [any Call] = [
            CheckSegments(users: [.externalID(broken)], segments: []), CheckSegments(users: [], segments: [broken]),
            CheckSegments(users: [.alias(.init(label: "crm", name: broken))], segments: []),
            CheckSegments(users: [], segments: [], maxStalenessMilliseconds: .max),
            SegmentsOfUser(user: .deviceID(broken)), SegmentsOfUser(user: .email(.init(broken))),
            SizeSegment(segmentID: broken), SizeSegment(filter: .cohort("p", broken)),
        ]
        for call in calls {
            let expected = #expect(throws: JSONError.self) { try encode(call) }
            let found = #expect(throws: JSONError.self) {
                var bytes: [UInt8] = []
                try call.append(to: &bytes)
            }
            #expect(expected != nil && found == expected)
        }
    }

    @Test(arguments: TestSeed.several(200)) func bothCodingsReadTheSameReply(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        try expectPlain(CheckSegments.self, .init(results: random.list { $0.result() }))
        let segments = random.list { NamedSegment(segmentID: $0.plainID(), name: $0.plainID().text) }
        let token = random.maybe { $0.plainID().text }
        try expectPlain(SegmentsOfUser.self, .init(segments: segments, nextPageToken: token))
        let nodes = random.maybe { $0.list { NodeSize(path: $0.plainID().text, size: $0.below(1_000_000)) } }
        try expectPlain(SizeSegment.self, .init(size: random.below(1_000_000_000), nodes: nodes))
    }

    /// The reply as our server writes it is read in place; cut or changed by a byte, it is refused or read as always.
    private func expectPlain<C: Call>(_ call: C.Type, _ reply: C.Reply) throws {
        let bytes = Array(try encode(reply).utf8)
        #expect(plain(call, bytes) == reply)
        for count in 0..<bytes.count { #expect(plain(call, Array(bytes[..<count])) == nil) }
        for place in bytes.indices {
            for byte in [bytes[place] ^ 1, UInt8(ascii: " "), UInt8(ascii: "\\"), 0x07, 0xC3] {
                var changed = bytes
                changed[place] = byte
                guard let found = plain(call, changed) else { continue }
                #expect(try found == JSONDecoding.decode(C.Reply.self, from: changed))
            }
        }
    }

    private func plain<C: Call>(_ call: C.Type, _ bytes: [UInt8]) -> C.Reply? {
        bytes.withUnsafeBytes { bytes in
            var text = PlainJSON(bytes)
            guard let reply = C.reply(from: &text), text.isAtEnd else { return nil }
            return reply
        }
    }

    @Test(arguments: [
        #"{ "size":1}"#, #"{"size":1,"versions":{"everyone":1,"cohorts":[],"segments":[]}}"#, #"{"size":1,"new":2}"#,
        #"{"size":01}"#, #"{"size":1e2}"#, #"{"size":1.0}"#, #"{"size":9007199254740992}"#, #"{"size":"1"}"#,
        #"{"nodes":[],"size":1}"#, #"{"size":1,"nodes":null}"#, #"{"size":1,"nodes":[{"path":"a\n","size":1}]}"#,
    ]) func anyOtherFormIsLeftToTheGenericCoding(text: String) {
        #expect(plain(SizeSegment.self, Array(text.utf8)) == nil)
    }

    @Test func aCallWithoutAnOwnCodingIsLeftToTheGenericOne() throws {
        #expect(plain(GetInfo.self, Array(try encode(GetInfo.example.reply).utf8)) == nil)
        try expectSameBytes(GetInfo())
        try expectSameBytes(ImportCohort.example.call)
    }
}

extension SeededRandom {
    /// Without characters that are escaped.
    fileprivate mutating func plainID() -> Identifier {
        let alphabet: [Unicode.Scalar] = ["a", "Z", "0", "-", "/", "\u{7F}", "é", "😀"]
        return Identifier(String(String.UnicodeScalarView((0..<below(9)).map { _ in alphabet[below(alphabet.count)] })))
    }

    fileprivate mutating func result() -> CheckResult {
        CheckResult(below(2) == 0 ? .known : .unknown, in: list { $0.below(2) == 0 })
    }

    private mutating func user() -> UserReference {
        let id = Identifier(text())
        switch below(6) {
        case 0: return .externalID(id)
        case 1: return .alias(.init(label: Identifier(text()), name: id))
        case 2: return .deviceID(id)
        case 3: return .brazeID(id)
        case 4: return .email(.init(id, [.identified, .mostRecentlyUpdated]))
        default: return .phone(.init(id))
        }
    }

    private mutating func flag() -> Bool? { [nil, true, false][below(3)] }
    private mutating func count() -> Int? { maybe { $0.below(100_000) } }

    fileprivate mutating func check() -> CheckSegments {
        CheckSegments(
            users: list { $0.user() }, segments: list { Identifier($0.text()) }, withVersions: flag(),
            maxStalenessMilliseconds: count())
    }

    fileprivate mutating func segmentsOfUser() -> SegmentsOfUser {
        SegmentsOfUser(
            user: user(), withVersions: flag(), maxStalenessMilliseconds: count(), pageSize: count(),
            pageToken: maybe { $0.text() })
    }

    fileprivate mutating func size() -> SizeSegment {
        SizeSegment(
            segmentID: maybe { Identifier($0.text()) },
            filter: maybe {
                .all([.cohort("p", Identifier($0.text())), .not(.attribute("a", .equals, .number(0.5)))])
            },
            withNodes: flag(), withVersions: flag(),
            at: maybe { Versions(everyone: Int64($0.below(9)), cohorts: [], segments: []) },
            maxStalenessMilliseconds: count())
    }
}
