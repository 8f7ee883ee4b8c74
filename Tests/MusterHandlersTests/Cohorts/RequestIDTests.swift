import MusterClient
import MusterProtocol
import MusterTestSupport
import Testing

/// The request id of an import: a repeat has no second effect and gets the recorded reply.
@Suite struct RequestIDTests {
    private let call = ImportCohort(
        partner: "tinyclues", cohortID: "c", requestID: "r-1",
        changes: [.adding(userIDs: ["u-1", "nobody"]), .removing(userIDs: ["u-2"])])

    @Test func aRepeatGetsTheRecordedAnswer() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3"]) { muster in
            let first = try await muster.send(call)
            try await muster.importCohort("c", adding: ["u-3"], removing: ["u-1"])
            let before = try await muster.database.fingerprint()
            let again = try await muster.send(call)
            #expect(again == first && again.version == 1)
            // With the outcomes, which are no other content.
            var withOutcomes = call
            withOutcomes.withOutcomes = true
            let whole = try await muster.send(withOutcomes)
            #expect(whole.outcomes == [.init(.added, 1), .init(.unknown, 1), .init(.unchanged, 1)])
            #expect(whole.receipt == first.receipt)
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    @Test func theIDBelongsToThePartnerAndNotToTheKey() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let keys = try await [0, 1].asyncKeys(muster)
            let clients = keys.map { muster.server.client(key: $0.secret) }
            let first = try await clients[0].send(call)
            _ = try await muster.send(InvalidateKey(keyID: keys[0].keyID))
            let second = try await clients[1].send(call)
            let third = try await muster.send(call)
            #expect(first == second && second == third)
            // Another partner's id is another id.
            _ = try await muster.send(SetPartner(partner: "other"))
            var other = call
            other.partner = "other"
            let reply = try await muster.send(other)
            #expect(reply.version == 1)
            let cohort = try await muster.send(GetCohort(partner: "other", cohortID: "c"))
            #expect(cohort.size == 1)
            for client in clients { await client.close() }
        }
    }

    @Test func theSameIDWithOtherContentIsRefused() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            _ = try await muster.send(call)
            let before = try await muster.database.fingerprint()
            var (cohort, changes, order, nothing) = (call, call, call, call)
            cohort.cohortID = "d"
            changes.changes[0].userIDs = ["u-1"]
            order.changes.reverse()
            nothing.changes = []
            for other in [cohort, changes, order, nothing] {
                await refused(.failedPrecondition, "this request_id was used with other content; nothing was changed") {
                    _ = try await muster.send(other)
                }
            }
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    @Test func aLateRepeatDoesNothingAfterTheCohortIsGone() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let first = try await muster.send(call)
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "c"))
            let again = try await muster.send(call)
            #expect(again == first)
            await refused(.notFound, "there is no such cohort") {
                _ = try await muster.send(GetCohort(partner: "tinyclues", cohortID: "c"))
            }
            // Made again it is empty, has no history, and the old id is still spent.
            let made = try await muster.send(CreateCohort(partner: "tinyclues", cohortID: "c", name: "New"))
            #expect(made == .init(outcome: .created, version: 0, size: 0))
            let repeated = try await muster.send(call)
            #expect(repeated == first)
            let imports = try await muster.send(ListImports(partner: "tinyclues", cohortID: "c"))
            #expect(imports.imports.isEmpty)
            let members = try await muster.send(ListCohortMembers(partner: "tinyclues", cohortID: "c"))
            #expect(members.members.isEmpty && members.version == 0)
            await refused(.outOfRange, "at_version names a version that is not kept") {
                _ = try await muster.send(ListCohortMembers(partner: "tinyclues", cohortID: "c", atVersion: 1))
            }
        }
    }

    @Test func concurrentRepeatsHaveOneEffect() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let other = try await TestServer(databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            let clients = [muster.client, other.client()]
            for round in 0..<6 {
                var call = call
                (call.requestID, call.cohortID) = (Identifier("twin-\(round)"), Identifier("c-\(round / 3)"))
                let request = call
                let replies = try await withThrowingTaskGroup(of: ImportCohort.Reply.self) { group in
                    for twin in 0..<12 { group.addTask { try await clients[twin % 2].send(request) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(replies.allSatisfy { $0 == replies[0] })
                #expect(replies[0].version == Int64(round % 3 + 1))
            }
            await clients[1].close()
            await other.stop()
        }
    }
}

extension [Int] {
    /// So many import keys of one partner.
    fileprivate func asyncKeys(_ muster: MusterUnderTest) async throws -> [CreateKey.Reply] {
        var keys: [CreateKey.Reply] = []
        for number in self {
            keys.append(try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "key \(number)")))
        }
        return keys
    }
}
