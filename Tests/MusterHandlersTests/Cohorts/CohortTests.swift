import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// Naming, listing and deleting cohorts, their receipts, and what a partner's own key may do.
@Suite struct CohortTests {
    @Test func namingIsIdempotentAndKeepsTheFirstTime() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let (first, later) = (
                Instant(microseconds: 1_000_000_000_000_000), Instant(microseconds: 1_700_000_000_000_001)
            )
            var call = CreateCohort(partner: "tinyclues", cohortID: "c", name: "Caf\u{E9}", createdAt: first)
            let made = try await muster.send(call)
            #expect(made == .init(outcome: .created, version: 0, size: 0))
            try await muster.importCohort("c", adding: ["u-1"])
            call.createdAt = later
            let again = try await muster.send(call)
            #expect(again == .init(outcome: .unchanged, version: 1, size: 1))
            call.name = "Cafe\u{301}"
            let renamed = try await muster.send(call)
            #expect(renamed.outcome == .renamed, "names that look alike are two")
            let cohort = try await muster.send(GetCohort(partner: "tinyclues", cohortID: "c"))
            #expect(cohort.createdAt == first)
            #expect(cohort.name.utf8.elementsEqual("Cafe\u{301}".utf8))
            await refused(.notFound, "there is no such partner") {
                _ = try await muster.send(CreateCohort(partner: "nobody", cohortID: "c", name: "x"))
            }
        }
    }

    @Test func concurrentNamingCreatesOneCohort() async throws {
        try await withMuster { muster in
            let outcomes = try await withThrowingTaskGroup(of: CreateCohort.Reply.Outcome.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        try await muster.send(CreateCohort(partner: "tinyclues", cohortID: "c", name: "x")).outcome
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 == .created } == 1)
            #expect(outcomes.count { $0 == .unchanged } == 15)
        }
    }

    @Test func cohortsAreFoundByPartnerAndByAPartOfTheirName() async throws {
        try await withMuster { muster in
            _ = try await muster.send(SetPartner(partner: "amplitude"))
            let names = ["Spring 2026", "SPRINGTIME", "off%spring_x", "Summer", "100%"]
            for (index, name) in names.enumerated() {
                for partner in ["tinyclues", "amplitude"] {
                    _ = try await muster.send(
                        CreateCohort(partner: partner, cohortID: Identifier("c-\(index)"), name: name))
                }
            }
            func found(_ partner: String?, _ text: String?) async throws -> [String] {
                try await muster.send(ListCohorts(partner: partner, nameContains: text)).cohorts.map {
                    "\($0.partner)/\($0.cohortID.text)"
                }
            }
            #expect(try await found("tinyclues", "spring") == ["tinyclues/c-0", "tinyclues/c-1", "tinyclues/c-2"])
            #expect(try await found("amplitude", "PRINGT") == ["amplitude/c-1"])
            #expect(try await found(nil, "summer") == ["amplitude/c-3", "tinyclues/c-3"])
            #expect(try await found("tinyclues", "%") == ["tinyclues/c-2", "tinyclues/c-4"])
            #expect(try await found("tinyclues", "_") == ["tinyclues/c-2"])
            #expect(try await found("tinyclues", "").count == 5)
            #expect(try await found("nobody", nil) == [])
            var paged: [String] = []
            for try await page in muster.client.pages(ListCohorts(pageSize: 3)) {
                #expect(page.cohorts.count <= 3)
                paged += page.cohorts.map { "\($0.partner)/\($0.cohortID.text)" }
            }
            let whole = try await found(nil, nil)
            #expect(paged == whole)
            #expect(paged == paged.sorted() && paged.count == 10)
        }
    }

    @Test func receiptsAreListedNewestFirstAndShownCompletely() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            try await muster.importCohort("c", adding: ["u-1", "nobody"], requestID: "r-1")
            try await muster.importCohort("c", adding: ["u-2"])
            try await muster.importCohort("c", removing: ["u-1"], requestID: "r-3")
            try await muster.importCohort("other", adding: ["u-1"], requestID: "r-4")
            var call = ListImports(partner: "tinyclues", cohortID: "c", pageSize: 2)
            var imports: [ImportInfo] = []
            for try await page in muster.client.pages(call) { imports += page.imports }
            #expect(imports.map(\.version) == [3, 2, 1])
            #expect(imports.map(\.requestID) == ["r-3", nil, "r-1"])
            #expect(imports.map(\.size) == [1, 2, 1])
            #expect(
                imports.map(\.receipt) == [
                    .init(received: 1, removed: 1), .init(received: 1, added: 1),
                    .init(received: 2, added: 1, unknown: 1),
                ])
            #expect(imports.allSatisfy { $0.outcomes == nil && $0.keyID == muster.server.workspace.keyID })
            (call.pageSize, call.version) = (nil, 1)
            let byVersion = try await muster.send(call)
            (call.version, call.requestID) = (nil, "r-1")
            let byID = try await muster.send(call)
            #expect(byVersion == byID)
            #expect(byID.imports.first?.outcomes == [.init(.added, 1), .init(.unknown, 1)])
            for id in ["r-4", "r-2", ""] as [Identifier] {
                call.requestID = id
                await refused(.notFound, "this cohort has no such import") { _ = try await muster.send(call) }
            }
        }
    }

    @Test func aDiffListsAddedAndRemovedUsers() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3", "u-4"]) { muster in
            try await muster.importCohort("c", adding: ["u-1", "u-2"])
            try await muster.importCohort("c", adding: ["u-3"], removing: ["u-1"])
            try await muster.importCohort("c", adding: ["u-1", "u-4"], removing: ["u-2"])
            func difference(_ from: Int64, _ at: Int64?, pageSize: Int?) async throws -> [CohortDifference] {
                var entries: [CohortDifference] = []
                let call = DiffCohort(
                    partner: "tinyclues", cohortID: "c", fromVersion: from, atVersion: at, pageSize: pageSize)
                for try await entry in muster.client.entries(of: call) { entries.append(entry) }
                return entries
            }
            func user(_ number: Int) -> Member { Member(externalID: Identifier("u-\(number)")) }
            for size in [nil, 1, 2] {
                #expect(try await difference(0, 1, pageSize: size) == [.entered(user(1)), .entered(user(2))])
                #expect(try await difference(1, 2, pageSize: size) == [.entered(user(3)), .left(user(1))])
                #expect(
                    try await difference(1, nil, pageSize: size) == [
                        .entered(user(3)), .entered(user(4)), .left(user(2)),
                    ])
                #expect(try await difference(2, 2, pageSize: size) == [])
            }
            let members = try await muster.send(ListCohortMembers(partner: "tinyclues", cohortID: "c", atVersion: 2))
            #expect(members.members == [user(2), user(3)] && members.version == 2 && members.size == 2)
        }
    }

    @Test func anImportKeyIsForItsOwnPartnerOnly() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            _ = try await muster.send(SetPartner(partner: "other"))
            _ = try await muster.send(CreateCohort(partner: "other", cohortID: "c", name: "x"))
            let key = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "x"))
            let partner = muster.server.client(key: key.secret)
            _ = try await partner.send(CreateCohort(partner: "tinyclues", cohortID: "c", name: "Mine"))
            let reply = try await partner.send(
                ImportCohort(partner: "tinyclues", cohortID: "c", changes: [.adding(userIDs: ["u-1"])]))
            #expect(reply.size == 1)
            let receipts = try await partner.send(ListImports(partner: "tinyclues", cohortID: "c"))
            #expect(receipts.imports.map(\.keyID) == [key.keyID])
            let before = try await muster.database.fingerprint()
            let words = "this data import key belongs to another partner"
            for other in ["other", "nobody", "No"] {
                await refused(.permissionDenied, words) {
                    _ = try await partner.send(CreateCohort(partner: other, cohortID: "c", name: "Mine"))
                }
                await refused(.permissionDenied, words) {
                    _ = try await partner.send(ImportCohort(partner: other, cohortID: "c", changes: []))
                }
                await refused(.permissionDenied, words) {
                    _ = try await partner.send(ListImports(partner: other, cohortID: "c"))
                }
            }
            await refused(.permissionDenied, "this key lacks the scope cohorts.get") {
                _ = try await partner.send(GetCohort(partner: "tinyclues", cohortID: "c"))
            }
            #expect(try await muster.database.fingerprint() == before)
            await partner.close()
        }
    }
}
