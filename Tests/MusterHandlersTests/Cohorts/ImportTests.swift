import MusterProtocol
import MusterTestSupport
import Testing

/// What becomes of every identifier of an import.
@Suite struct ImportTests {
    private static let longest = Identifier(String(repeating: "x", count: 1_024))
    private static let tooLong = Identifier(String(repeating: "x", count: 1_025))

    private func withUsers(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster { muster in
            let crm = { (name: Identifier) in [Alias(label: "crm", name: name)] }
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "u-1", aliases: crm("1"), deviceIDs: ["d-1"]), UserEntry(externalID: "u-2"),
                    UserEntry(aliases: crm("a"), deviceIDs: ["d-a", "d-b"]), UserEntry(externalID: Self.longest),
                ]))
            try await body(muster)
        }
    }

    private func run(
        _ muster: MusterUnderTest, _ changes: [CohortChange], into cohort: Identifier = "c"
    ) async throws -> ImportCohort.Reply {
        let reply = try await muster.send(
            ImportCohort(partner: "tinyclues", cohortID: cohort, changes: changes, withOutcomes: true))
        let runs = try #require(reply.outcomes)
        #expect(Receipt(runs) == reply.receipt)
        let counts = Outcome.allCases.reduce(0) { $0 + reply.receipt[$1] }
        #expect(counts == reply.receipt.received)
        return reply
    }

    @Test func everyOutcomeIsCountedWithItsPosition() async throws {
        try await withUsers { muster in
            _ = try await run(muster, [.adding(userIDs: ["u-2"])])
            let change = CohortChange.adding(
                userIDs: ["u-1", "u-2", "nobody", "", Self.tooLong, "a\u{1F}b", Self.longest],
                deviceIDs: ["d-1", "d-a", "d-9", "a\u{7F}"],
                aliases: [
                    Alias(label: "crm", name: "1"), Alias(label: "crm", name: "9"), Alias(label: "CRM", name: "1"),
                    Alias(label: "", name: "1"),
                    Alias(label: Identifier(String(repeating: "l", count: 257)), name: "1"),
                ])
            let reply = try await run(muster, [change])
            #expect(
                reply.outcomes == [
                    // u-1 is named again by its alias, which decides.
                    .init(.repeated, 1), .init(.unchanged, 1), .init(.unknown, 1), .init(.invalid, 3), .init(.added, 1),
                    .init(.identifiedDevice, 1), .init(.added, 1), .init(.unknown, 1), .init(.invalid, 1),
                    .init(.added, 1), .init(.unknown, 2), .init(.invalid, 2),
                ])
            #expect(reply.size == 4 && reply.version == 2)
            let removed = try await run(muster, [.removing(userIDs: ["u-1", "nobody"], deviceIDs: ["d-b", "d-1"])])
            #expect(
                removed.outcomes == [
                    .init(.removed, 1), .init(.unknown, 1), .init(.removed, 1), .init(.identifiedDevice, 1),
                ])
            #expect(removed.size == 2)
            let again = try await run(muster, [.removing(userIDs: ["u-1"]), .adding(userIDs: ["u-2"])])
            #expect(again.outcomes == [.init(.unchanged, 2)])
            #expect(again.version == 4, "a version even where nobody's membership changed")
        }
    }

    @Test(arguments: [
        ([("u-1", false), ("u-1", true)], [Outcome.repeated, .unchanged], 0),
        ([("u-1", true), ("u-1", false)], [.repeated, .added], 1),
        ([("u-1", false), ("u-1", false), ("u-1", false)], [.repeated, .repeated, .added], 1),
        ([("u-1", false), ("nobody", false), ("nobody", true)], [.added, .unknown, .unknown], 1),
        (
            [("u-1", false), ("u-2", false), ("u-1", true), ("u-2", false)],
            [.repeated, .repeated, .unchanged, .added], 1
        ),
    ])
    func theLastChangeOfAUserWins(changes: [(String, Bool)], outcomes: [Outcome], size: Int) async throws {
        try await withUsers { muster in
            let reply = try await run(
                muster, changes.map { CohortChange(userIDs: [Identifier($0)], shouldRemove: $1) })
            #expect((reply.outcomes ?? []).flatMap { Array(repeating: $0.outcome, count: $0.count) } == outcomes)
            #expect(reply.size == size)
        }
    }

    @Test func withinOneChangeTheOrderIsUserIDsDevicesAliases() async throws {
        try await withUsers { muster in
            // As the wire has it, fields in another order.
            let session = try await RawSession.open(muster.server)
            let body = """
                {"partner":"tinyclues","cohort_id":"c","with_outcomes":true,"cohort_changes":[
                {"aliases":[{"alias_label":"crm","alias_name":"a"}],"should_remove":false,"device_ids":["d-a"]},
                {"should_remove":true,"device_ids":["d-b"],"user_ids":["u-1"]}]}
                """
            let answer = try await session.answer(ImportCohort.method, body)
            let runs = #"[{"outcome":"repeated","count":2},{"outcome":"unchanged","count":2}]"#
            #expect(answer.text.contains(#""outcomes":"# + runs), "\(answer.text)")
        }
    }

    @Test func anEmptyImportCreatesNothing() async throws {
        try await withUsers { muster in
            let before = try await muster.database.fingerprint()
            for changes in [[], [CohortChange.adding()], [.adding(), .removing()]] {
                let reply = try await run(muster, changes)
                #expect(reply == .init(version: 0, size: 0, receipt: Receipt(), outcomes: []))
            }
            #expect(try await muster.database.fingerprint() == before)
            await refused(.notFound, "there is no such cohort") {
                _ = try await muster.send(GetCohort(partner: "tinyclues", cohortID: "c"))
            }
            _ = try await run(muster, [.adding(userIDs: ["u-1"])])
            let empty = try await run(muster, [])
            #expect(empty.version == 1 && empty.size == 1 && empty.receipt.received == 0)
        }
    }

    @Test func anImportOfUnknownUsersCreatesTheCohort() async throws {
        try await withUsers { muster in
            let reply = try await run(muster, [.adding(userIDs: ["nobody"])], into: "Weg & \u{E9}")
            #expect(reply.version == 1 && reply.size == 0 && reply.receipt == Receipt(received: 1, unknown: 1))
            let cohort = try await muster.send(GetCohort(partner: "tinyclues", cohortID: "Weg & \u{E9}"))
            #expect(cohort.name == "Weg & \u{E9}" && cohort.lastImportAt != nil)
            let users = try await muster.send(SizeSegment(filter: .everyone))
            #expect(users.size == 4, "no user is ever created")
        }
    }

    @Test func aKeyThatMayNotImportIsRefused() async throws {
        try await withUsers { muster in
            await refused(.notFound, "there is no such partner; make it with partners.set") {
                _ = try await muster.send(
                    ImportCohort(partner: "p", cohortID: "c", changes: [.adding(userIDs: ["u-1"])]))
            }
            let call = ImportCohort(
                partner: "tinyclues", cohortID: "c", requestID: "r", changes: [.adding(userIDs: ["u-1"])])
            let first = try await muster.send(call)
            _ = try await muster.send(SetPartner(partner: "tinyclues", enabled: false))
            let before = try await muster.database.fingerprint()
            for changes in [[CohortChange.adding(userIDs: ["u-2"])], []] {
                await refused(.failedPrecondition, "this partner is not enabled") {
                    _ = try await muster.send(ImportCohort(partner: "tinyclues", cohortID: "c", changes: changes))
                }
            }
            #expect(try await muster.database.fingerprint() == before)
            let recorded = try await muster.send(call)
            #expect(recorded == first, "what was done is still answered")
            _ = try await muster.send(SetPartner(partner: "tinyclues", enabled: true))
            try await muster.importCohort("c", adding: ["u-2"])
        }
    }

    @Test func fiftyThousandIdentifiersAreImportedAtOnce() async throws {
        let ids = (0..<10_000).map { Identifier("u-\($0)") }
        try await withMuster(users: ids) { muster in
            let unknown = (0..<30_000).map { Identifier("x-\($0)") }
            let reply = try await run(
                muster,
                [
                    .adding(userIDs: IdentifierList(ids + unknown)),
                    .removing(userIDs: IdentifierList(ids.prefix(9_999))),
                ])
            #expect(
                reply.receipt
                    == Receipt(received: 49_999, added: 1, unchanged: 9_999, unknown: 30_000, repeated: 9_999))
            #expect(reply.size == 1)
        }
    }
}
