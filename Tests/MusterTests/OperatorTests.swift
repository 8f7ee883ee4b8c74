import MusterClient
import MusterProtocol
import MusterTestSupport
import Testing

/// Keys, partners and the server itself, as an operator sees them over the wire.
@Suite struct OperatorTests {
    @Test func thePartnersPageHasWhatAnOperatorHandsOut() async throws {
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

    @Test func aSessionTellsWhatItsKeyMayDo() async throws {
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

    @Test func badKeysAreAllRefusedInTheSameWords() async throws {
        try await withMuster { muster in
            let good = muster.server.workspace.adminKey.text
            let expiring = try await muster.send(
                CreateKey(
                    kind: .service, name: "x", scopes: ["*"],
                    expiresAt: Instant(microseconds: Instant.now.microseconds + 3_600_000_000)))
            try await muster.database.asOwner(
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

    @Test func theServerTellsWhatItIs() async throws {
        try await withMuster { muster in
            let health = try await muster.send(GetHealth())
            #expect(health.status == .serving)
            let info = try await muster.send(GetInfo())
            #expect(info.version == "test" && info.restURL == "https://rest.example" && info.schemaVersion > 0)
            #expect(!info.postgres.version.isEmpty && !info.postgres.fsync.isEmpty)
            #expect(info.limits.map(\.name) == Limits.all.map(\.name))
            #expect(Set(info.limits.map(\.name)).count == info.limits.count)
            #expect(info.limits.allSatisfy { $0.value > 0 && !$0.unit.isEmpty && $0.reason.hasSuffix(".") })
        }
    }

    @Test func aServerMeetingAnotherSchemaSaysSo() async throws {
        try await withMuster { muster in
            try await muster.database.asOwner(
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
