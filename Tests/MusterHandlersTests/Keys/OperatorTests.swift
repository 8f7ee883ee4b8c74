import MusterClient
import MusterHandlers
import MusterProtocol
import MusterRPC
import MusterStore
import MusterTestSupport
import TestSupport
import Testing

/// Keys, partners and the server itself, as an operator sees them over the wire.
@Suite struct OperatorTests {
    @Test func partnersGetHasWhatAnOperatorHandsOut() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            _ = try await muster.send(SetPartner(partner: "tinyclues", displayName: "Tinyclues"))
            let old = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "old"))
            let new = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "new"))
            _ = try await muster.send(CreateKey(kind: .import, partner: "amplitude", name: "not theirs"))
            let empty = try await muster.send(GetPartner(partner: "tinyclues"))
            #expect(empty.cohorts == 0 && empty.lastImportAt == nil)
            try await muster.importCohort("a", adding: ["u-1"])
            try await muster.importCohort("b", adding: ["u-1"])
            _ = try await muster.send(InvalidateKey(keyID: old.keyID))
            let page = try await muster.send(GetPartner(partner: "tinyclues"))
            #expect(page.restURL == "https://rest.example/partners/tinyclues/cohorts")
            #expect(page.keys.map(\.keyID) == [new.keyID])
            #expect(page.cohorts == 2 && page.lastImportAt != nil)
            #expect(page.partner.displayName == "Tinyclues" && page.partner.enabled)
            let all = try await muster.send(ListPartners())
            #expect(all.partners.map(\.partner) == ["amplitude", "tinyclues"])
        }
    }

    @Test func keysAreListedWithoutTheirSecrets() async throws {
        try await withMuster { muster in
            let expiry = Instant(microseconds: Instant.now.microseconds + 3_600_000_000)
            let made = try await muster.send(
                CreateKey(kind: .service, name: "checks", scopes: ["segments.*", "segments.*"], expiresAt: expiry))
            _ = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "push"))
            let keys = try await muster.send(ListKeys()).keys
            #expect(keys.map(\.name) == ["admin", "checks", "push"])
            #expect(keys[1].scopes == ["segments.*"] && keys[1].expiresAt == expiry && keys[1].kind == .service)
            let own = try await muster.send(ListKeys(partner: "tinyclues"))
            #expect(own.keys.map(\.name) == ["push"])
            let session = try await RawSession.open(muster.server)
            let shown = try await session.answer(ListKeys.method, "{}")
            #expect(!shown.text.contains("mus_") && !shown.text.contains(made.secret))
        }
    }

    @Test func keysPartnersAndSegmentsOfAUserComeInPages() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            for number in 0..<7 {
                _ = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "key \(number)"))
                _ = try await muster.send(SetPartner(partner: "p-\(number)"))
                let filter = number == 3 ? Filter.not(.everyone) : .everyone
                let create = CreateSegment(segmentID: Identifier("s-\(number)"), name: "S\(number)", filter: filter)
                _ = try await muster.send(create)
            }
            for size in [1, 2, 3, 7, 8, 1_000] {
                var (keys, partners, segments): ([String], [String], [Identifier]) = ([], [], [])
                for try await page in muster.client.pages(ListKeys(partner: "tinyclues", pageSize: size)) {
                    #expect(page.keys.count <= size)
                    keys += page.keys.map(\.name)
                }
                for try await page in muster.client.pages(ListPartners(pageSize: size)) {
                    #expect(page.partners.count <= size)
                    partners += page.partners.map(\.partner)
                }
                let of = SegmentsOfUser(user: .externalID("u-1"), withVersions: true, pageSize: size)
                for try await page in muster.client.pages(of) {
                    #expect(page.segments.count <= size && page.versions?.segments.count == 7)
                    segments += page.segments.map(\.segmentID)
                }
                #expect(keys == (0..<7).map { "key \($0)" })
                #expect(partners == (0..<7).map { "p-\($0)" } + ["tinyclues"])
                #expect(segments == ["s-0", "s-1", "s-2", "s-4", "s-5", "s-6"])
            }
        }
    }

    /// As many keys and partners with names as long as may be: more than a frame holds.
    @Test func moreKeysAndPartnersThanAFrameHoldsAreStillListed() async throws {
        try await withMuster { muster in
            let workspace = muster.server.workspace.id.rawValue
            let name = #"repeat('"', 512)"#
            try await muster.database.run(
                """
                INSERT INTO partner (workspace_id, partner, display_name, created_at)
                SELECT \(workspace), 'p-' || n, \(name), now() FROM generate_series(1, 5000) n;
                INSERT INTO api_key (workspace_id, key_id, digest, kind, partner, name, scopes, created_at)
                SELECT \(workspace), 'k_' || n, sha256(n::text::bytea), 'import', 'tinyclues', \(name), '{}', now()
                FROM generate_series(1, 5000) n;
                """)
            var (keys, partners): (Set<String>, Set<String>) = ([], [])
            for try await key in muster.client.entries(of: ListKeys(pageSize: 10_000)) { keys.insert(key.keyID) }
            for try await partner in muster.client.entries(of: ListPartners(pageSize: 10_000)) {
                partners.insert(partner.partner)
            }
            #expect(keys.count == 5_001 && partners.count == 5_001)
            let shown = try await muster.send(GetPartner(partner: "tinyclues"))
            #expect(shown.keys.count == Limits.partnerKeysShown.value)
        }
    }

    @Test func aSessionListsTheScopesOfItsKey() async throws {
        try await withMuster { muster in
            let key = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "push"))
            let connection = try await RawConnection(port: muster.server.rpc.boundPort ?? 0)
            try await connection.send(request(1, OpenSession.method, #"{"key":"\#(key.secret)"}"#))
            guard case .reply(1, let body)? = try await connection.next() else { throw TookTooLong() }
            let reply = try JSONDecoding.decode(OpenSession.Reply.self, from: Array(body.utf8))
            #expect(
                reply
                    == .init(
                        workspace: "test", keyID: key.keyID,
                        scopes: ["cohorts.import", "cohorts.create", "cohorts.imports"],
                        partner: "tinyclues"))
            await connection.close()
        }
    }

    @Test func anInvalidatedKeyEndsItsOpenConnections() async throws {
        try await withMuster { muster in
            let key = try await muster.send(CreateKey(kind: .service, name: "x", scopes: ["*"]))
            let session = try await RawSession.open(muster.server, key: key.secret)
            #expect(try await session.goesOn())
            _ = try await muster.send(InvalidateKey(keyID: key.keyID))
            let invalidated = ContinuousClock.now
            while !session.connection.isClosed, .now - invalidated < .seconds(5) {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(ContinuousClock.now - invalidated < .seconds(2))
            await #expect(throws: (any Error).self) { _ = try await RawSession.open(muster.server, key: key.secret) }
        }
    }

    @Test func everyInvalidKeyGetsTheSameMessage() async throws {
        try await withMuster { muster in
            let good = muster.server.workspace.adminKey.text
            let expiring = try await muster.send(
                CreateKey(
                    kind: .service, name: "x", scopes: ["*"],
                    expiresAt: Instant(microseconds: Instant.now.microseconds + 3_600_000_000)))
            try await muster.database.run(
                "UPDATE api_key SET expires_at = now() - interval '1 s' WHERE key_id = '\(expiring.keyID)'")
            var answers: Set<String> = []
            for key in [
                "", "x", String(good.dropLast()), good + "A", good.replacing("srv", with: "imp"), expiring.secret,
            ] {
                let connection = try await RawConnection(port: muster.server.rpc.boundPort ?? 0)
                try await connection.send(request(1, OpenSession.method, #"{"key":"\#(key)"}"#))
                guard case .error(1, let error)? = try await connection.next() else { throw TookTooLong() }
                #expect(error.code == .unauthenticated)
                answers.insert(error.description)
                _ = try await connection.rest()
            }
            #expect(answers.count == 1)
        }
    }

    @Test func theServerDescribesItself() async throws {
        try await withMuster { muster in
            let health = try await muster.send(GetHealth())
            #expect(health.status == .serving)
            let info = try await muster.send(GetInfo())
            #expect(info.version == "test" && info.restURL == "https://rest.example" && info.schemaVersion > 0)
            #expect(!info.postgres.version.isEmpty && !info.postgres.fsync.isEmpty)
            #expect(info.limits.map(\.name) == Limits.all.map(\.name))
            #expect(Set(info.limits.map(\.name)).count == info.limits.count)
            #expect(
                info.limits.allSatisfy {
                    ($0.value > 0 || $0.name == Limits.connectionsPerAddress.name) && !$0.unit.isEmpty
                        && $0.reason.hasSuffix(".")
                })
        }
    }

    @Test func aServerNoticesAnotherSchemaWithinSeconds() async throws {
        try await withMuster { muster in
            #expect(try await muster.send(GetHealth()).status == .serving)
            let version = try await muster.send(GetInfo()).schemaVersion
            try await muster.database.run(
                "INSERT INTO migration (version, name, applied_at) VALUES (999, 'later', now())")
            let session = try await RawSession.open(muster.server)
            var (health, schemaVersion): (RPCCode?, Int) = (nil, version)
            for _ in 0..<30 where health == nil || schemaVersion == version {
                try await Task.sleep(for: .milliseconds(100))
                health = try await session.answer(GetHealth.method, "{}").code
                schemaVersion = try await muster.send(GetInfo()).schemaVersion
            }
            #expect(health == .unavailable && schemaVersion == 999)
        }
    }

    @Test func aServerReportsAnotherSchema() async throws {
        try await withMuster { muster in
            try await muster.database.run(
                "INSERT INTO migration (version, name, applied_at) VALUES (999, 'later', now())")
            let session = try await RawSession.open(muster.server)
            let answer = try await session.answer(GetHealth.method, "{}")
            #expect(answer.code == .unavailable)
            #expect(answer.message.contains("another schema"))
        }
    }

    @Test func segmentsAreListedByIDAndByAPartOfTheirName() async throws {
        try await withMuster { muster in
            for (id, name) in [("b", "Spring"), ("a", "spring sale"), ("c", "Summer")] as [(Identifier, String)] {
                _ = try await muster.send(CreateSegment(segmentID: id, name: name, filter: .everyone))
            }
            let spring = try await muster.send(ListSegments(nameContains: "SPRING"))
            #expect(spring.segments.map(\.segmentID) == ["a", "b"])
            var all: [Identifier] = []
            for try await segment in muster.client.entries(of: ListSegments(pageSize: 1)) {
                all.append(segment.segmentID)
            }
            #expect(all == ["a", "b", "c"])
        }
    }
}
