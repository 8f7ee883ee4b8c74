import Foundation
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import TestSupport
import Testing

/// Page tokens: valid on any connection, for the call that they were given for and no other, and pages that fit into a
/// frame.
@Suite struct TokenTests {
    private let ids = (0..<6).map { Identifier("u-\($0)") }

    @Test func aTokenIsValidOnAnyConnectionAndTwice() async throws {
        try await withMuster(users: ids) { muster in
            var call = ListSegmentMembers(filter: .everyone, pageSize: 4)
            call.pageToken = try await muster.send(call).nextPageToken
            for _ in 0..<2 {
                let client = muster.server.client()
                let page = try await client.send(call)
                #expect(page.members.compactMap(\.externalID) == ["u-4", "u-5"])
                #expect(page.nextPageToken == nil)
                await client.close()
            }
        }
    }

    @Test func aTokenIsBoundToItsCall() async throws {
        try await withMuster(users: ids) { muster in
            try await prepare(muster)
            let session = try await RawSession.open(muster.server)
            let tokens = try await Self.calls.asyncMap { try await token($0, session) }
            for (call, token) in zip(Self.calls, tokens) {
                for other in Self.calls where other != call {
                    let answer = try await session.answer(other.method, other.body(page: token))
                    #expect(answer.code == .invalidArgument, "\(call) in \(other): \(answer.text)")
                    #expect(answer.message.hasPrefix("page_token does not belong to this request"), "\(answer.text)")
                }
            }
        }
    }

    @Test func aTokenIsBoundToItsWorkspace() async throws {
        try await withMuster(users: ids) { muster in
            try await prepare(muster)
            let second = try await TestServer(
                databaseURL: muster.database.serverURL, workspace: try await muster.database.makeAdministered("second"))
            let client = second.client()
            _ = try await client.send(SetPartner(partner: "tinyclues"))
            try await prepare(MusterUnderTest(server: second, client: client, database: muster.database))
            let (own, foreign) = (try await RawSession.open(muster.server), try await RawSession.open(second))
            for call in Self.calls {
                let answer = try await foreign.answer(call.method, call.body(page: try await token(call, own)))
                #expect(answer.code == .invalidArgument, "\(call): \(answer.text)")
            }
            await client.close()
            await second.stop()
        }
    }

    @Test func aTokenWithAnyByteChangedIsRefused() async throws {
        try await withMuster(users: ids) { muster in
            try await prepare(muster)
            let session = try await RawSession.open(muster.server)
            var tried = 0
            for call in Self.calls {
                let token = try await token(call, session)
                for position in token.utf8.indices {
                    var bytes = Array(token.utf8)
                    let place = token.utf8.distance(from: token.startIndex, to: position)
                    bytes[place] = bytes[place] == UInt8(ascii: "A") ? UInt8(ascii: "Q") : UInt8(ascii: "A")
                    let answer = try await session.answer(
                        call.method, call.body(page: String(decoding: bytes, as: UTF8.self)))
                    #expect(answer.code == .invalidArgument, "\(call) at \(place): \(answer.text)")
                    tried += 1
                }
                for broken in [
                    "", "A", "=", "é", String(token.dropLast(4)), token + "AAAA", String(repeating: "A", count: 70_000),
                ] {
                    let answer = try await session.answer(call.method, call.body(page: broken))
                    #expect(answer.code == .invalidArgument, "\(call): \(answer.text)")
                }
            }
            #expect(tried > 300)
            #expect(try await session.goesOn())
        }
    }

    /// The position is the number of a user, which is never shown.
    @Test func aTokenDoesNotRevealItsPosition() async throws {
        try await withMuster(users: ids) { muster in
            try await prepare(muster)
            let session = try await RawSession.open(muster.server)
            for call in Self.calls {
                let texts = [try await token(call, session), try await token(call, session)]
                // One position sealed twice: two tokens do not even show that they are equal.
                #expect(texts[0] != texts[1], "\(call)")
                for text in texts {
                    let bytes = try #require(Self.bytes(of: text), "\(call)")
                    #expect(bytes.count >= 12 + 16 + 7)
                    // Unsealed it would be an object of JSON, with one of these in it.
                    for clear in ["\"a\":", "\"after", "\"value\":", "_id\":", "partner\":", "keyID\":"] {
                        #expect(!bytes.contains(Array(clear.utf8)), "\(call)")
                    }
                }
            }
        }
    }

    @Test func aTokenIsSealedWithTheKeyOfItsWorkspace() async throws {
        try await withMuster(users: ids) { muster in
            var call = ListSegmentMembers(filter: .everyone, pageSize: 4)
            call.pageToken = try await muster.send(call).nextPageToken
            let other = try await TestServer(databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            let client = other.client()
            try await muster.database.run("UPDATE page_token_key SET key = decode(repeat('ab', 32), 'hex')")
            #expect(try await muster.send(call).members.count == 2)  // it holds the key since its first page
            await refused(.invalidArgument, "page_token does not belong to this request") {
                _ = try await client.send(call)
            }
            await client.close()
            await other.stop()
        }
    }

    @Test func allIdentifiersAreShownOnDemand() async throws {
        try await withMuster { muster in
            let aliases = [Alias(label: "crm", name: "1"), Alias(label: "web", name: "2")]
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "u", aliases: aliases, deviceIDs: ["d-1", "d-2"]),
                    UserEntry(
                        aliases: [Alias(label: "web", name: "3"), Alias(label: "crm", name: "4")], deviceIDs: ["d-3"]),
                    UserEntry(deviceIDs: ["d-5", "d-4"]),
                ]))
            let short = try await muster.send(ListSegmentMembers(filter: .everyone))
            #expect(
                short.members == [
                    Member(externalID: "u"), Member(aliases: [Alias(label: "crm", name: "4")]),
                    Member(deviceIDs: ["d-4"]),
                ])
            let whole = try await muster.send(ListSegmentMembers(filter: .everyone, allIdentifiers: true))
            var ids: [Identifier] = []
            for device: Identifier in ["d-1", "d-3", "d-4"] {
                ids.append(try await muster.send(GetUser(user: .deviceID(device))).brazeID)
            }
            #expect(
                whole.members == [
                    Member(externalID: "u", aliases: aliases, deviceIDs: ["d-1", "d-2"], brazeID: ids[0]),
                    Member(
                        aliases: [Alias(label: "crm", name: "4"), Alias(label: "web", name: "3")], deviceIDs: ["d-3"],
                        brazeID: ids[1]),
                    Member(deviceIDs: ["d-4", "d-5"], brazeID: ids[2]),
                ])
        }
    }

    @Test func aPageEndsWhereItWouldNotFitIntoAFrame() async throws {
        try await withMuster { muster in
            // 128 aliases of 1,000 bytes that must all be escaped: 260 kB a user on the wire.
            let long = String(repeating: "\"", count: 1_000)
            let users = (0..<17).map { user in
                UserEntry(
                    externalID: Identifier("u-\(user)"),
                    aliases: (0..<128).map {
                        Alias(label: Identifier("l-\($0)"), name: Identifier("\(user).\($0)" + long))
                    })
            }
            for batch in [users.prefix(9), users.dropFirst(9)] {
                _ = try await muster.send(UpsertUsers(users: Array(batch)))
            }
            try await muster.importCohort("c", adding: IdentifierList(users.compactMap(\.externalID)))
            let call = ListSegmentMembers(filter: .everyone, allIdentifiers: true, pageSize: 10_000)
            var pages: [Int] = []
            var members: [Member] = []
            for try await page in muster.client.pages(call) {
                pages.append(page.members.count)
                members += page.members
            }
            #expect(pages.count > 1 && pages.allSatisfy { $0 > 0 })
            #expect(members.map(\.externalID) == users.map(\.externalID))
            #expect(members.allSatisfy { $0.aliases?.count == 128 })
            let cohort = ListCohortMembers(partner: "tinyclues", cohortID: "c", allIdentifiers: true, pageSize: 10_000)
            let first = try await muster.send(cohort)
            #expect(first.members.count == pages[0] && first.nextPageToken != nil)
        }
    }

    @Test func longNamesAndFiltersFitIntoPagesToo() async throws {
        try await withMuster { muster in
            let workspace = muster.server.workspace.id.rawValue
            let name = String(repeating: "x", count: 512)
            try await muster.database.run(
                """
                WITH made AS (
                    INSERT INTO set_head (workspace_id, kind) SELECT \(workspace), 'cohort' FROM generate_series(1, 7000)
                    RETURNING workspace_id, set_number
                )
                INSERT INTO cohort SELECT workspace_id, 'tinyclues', 'c-' || set_number, set_number, '\(name)', now() FROM made
                """)
            var cohorts: Set<Identifier> = []
            for try await page in muster.client.pages(ListCohorts(pageSize: 10_000)) {
                cohorts.formUnion(page.cohorts.map(\.cohortID))
            }
            #expect(cohorts.count == 7_000)
            let long = FilterValue.string(Identifier(String(repeating: "x", count: 4_000)))
            let filter = Filter.any((0..<255).map { .attribute(Identifier("a-\($0)"), .equals, long) })
            _ = try await muster.send(CreateSegment(segmentID: "s", name: name, filter: filter))
            try await muster.database.run(
                """
                INSERT INTO segment SELECT workspace_id, 's-' || n, name, filter, version, created_at, updated_at
                FROM segment, generate_series(1, 4) n
                """)
            let first = try await muster.send(ListSegments(pageSize: 10_000))
            #expect((1...3).contains(first.segments.count))
            let second = try await muster.send(ListSegments(pageSize: 10_000, pageToken: first.nextPageToken))
            #expect(first.segments.count + second.segments.count == 5 && second.nextPageToken == nil)
        }
    }

    // MARK: Listings

    private struct Listing: Equatable, CustomStringConvertible {
        let method: String
        let fields: String
        var description: String { "\(method) {\(fields)}" }

        func body(page token: String?) -> String {
            let parts = [#""page_size":2"#, fields, token.map { #""page_token":"\#($0)""# } ?? ""]
            return "{" + parts.filter { !$0.isEmpty }.joined(separator: ",") + "}"
        }
    }

    private static let cohort = #""partner":"tinyclues","cohort_id":"c""#
    private static let calls = [
        Listing(method: ListSegmentMembers.method, fields: #""filter":{"everyone":{}}"#),
        Listing(method: ListSegmentMembers.method, fields: #""filter":{"everyone":{}},"all_identifiers":true"#),
        Listing(method: ListSegmentMembers.method, fields: #""filter":{"not":{"not":{"everyone":{}}}}"#),
        Listing(
            method: ListSegmentMembers.method,
            fields: #""filter":{"attribute":{"name":"x","comparison":"does_not_exist"}}"#),
        Listing(method: ListSegmentMembers.method, fields: #""segment_id":"s-1""#),
        Listing(method: ListCohortMembers.method, fields: cohort),
        Listing(method: ListCohortMembers.method, fields: cohort + #","at_version":1"#),
        Listing(method: DiffCohort.method, fields: cohort + #","from_version":0"#),
        Listing(method: ListImports.method, fields: cohort),
        Listing(method: ListImports.method, fields: #""partner":"tinyclues""#),
        Listing(method: ListCohorts.method, fields: ""),
        Listing(method: ListCohorts.method, fields: #""partner":"tinyclues""#),
        Listing(method: ListSegments.method, fields: ""),
        Listing(method: ListSegments.method, fields: #""name_contains":"x""#),
        Listing(method: SegmentsOfUser.method, fields: #""user":{"external_id":"u-1"}"#),
        Listing(method: SegmentsOfUser.method, fields: #""user":{"external_id":"u-2"}"#),
        Listing(method: ListKeys.method, fields: ""),
        Listing(method: ListKeys.method, fields: #""partner":"tinyclues""#),
        Listing(method: ListPartners.method, fields: ""),
    ]

    private func token(_ call: Listing, _ session: RawSession) async throws -> String {
        guard case .reply(let reply) = try await session.answer(call.method, call.body(page: nil)) else {
            throw TookTooLong()
        }
        let field = try #require(reply.firstRange(of: #""next_page_token":""#), "\(call)")
        return String(reply[field.upperBound...].prefix { $0 != "\"" })
    }

    /// What a token is in bytes.
    private static func bytes(of token: String) -> [UInt8]? {
        let padding = String(repeating: "=", count: (4 - token.utf8.count % 4) % 4)
        return Data(base64Encoded: token.replacing("-", with: "+").replacing("_", with: "/") + padding).map(Array.init)
    }

    private func prepare(_ muster: MusterUnderTest) async throws {
        try await muster.register(ids)
        for _ in 0..<5 { try await muster.importCohort("c", adding: IdentifierList(ids)) }
        for number in 1...3 {
            _ = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "key \(number)"))
            _ = try await muster.send(SetPartner(partner: "partner-\(number)"))
        }
        for number in 1...5 {
            try await muster.importCohort(Identifier("c-\(number)"), adding: ["u-1"])
            _ = try await muster.send(CreateSegment(segmentID: Identifier("s-\(number)"), name: "x", filter: .everyone))
        }
    }
}

extension Sequence {
    /// One after another.
    fileprivate func asyncMap<R>(_ transform: (Element) async throws -> R) async throws -> [R] {
        var results: [R] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
