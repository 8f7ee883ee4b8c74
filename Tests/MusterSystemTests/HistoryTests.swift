import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

@testable import MusterStore

/// Clients write into the same cohorts through two servers, and read in between; every answer is checked against
/// the recorded history.
@Suite struct HistoryTests {
    private static let userCount = 300
    private static let cohorts: [Identifier] = ["a", "b"]

    @Test func everyReplyFitsOneOrderOfAllImports() async throws {
        try await ServerPair.with(users: .users(0..<Self.userCount), cacheBytes: (8_000, 64 << 20)) { pair in
            for cohort in Self.cohorts { _ = try await pair.throughA.importCohort(cohort, removing: ["u-0"]) }
            _ = try await pair.throughA.send(
                CreateSegment(segmentID: "a-not-b", name: "s", filter: .all([.cohort("a"), .not(.cohort("b"))])))
            let seed = TestSeed("history test").value
            let compacting = Task { try await compactAgainAndAgain(pair) }
            var told: [Observation] = []
            try await withThrowingTaskGroup(of: [Observation].self) { group in
                for client in 0..<8 { group.addTask { try await work(client, pair, seed: seed) } }
                for try await part in group { told += part }
            }
            compacting.cancel()
            _ = await compacting.result
            try await verify(told, pair)
        }
    }

    /// Both servers compact both cohorts continuously, so a read or an import can meet any state of that.
    private func compactAgainAndAgain(_ pair: ServerPair) async throws {
        let sets = [try await pair.numberOfSet("a"), try await pair.numberOfSet("b"), SetKey.everyone]
        while !Task.isCancelled {
            for number in sets {
                for server in pair.servers {
                    let set = SetKey(workspace: pair.workspace.id, number: number)
                    try await server.store.maintenance.in(set.workspace).compact(set)
                }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    // MARK: Clients

    private func work(_ number: Int, _ pair: ServerPair, seed: UInt64) async throws -> [Observation] {
        var random = SeededRandom(seed: seed &+ UInt64(number))
        var told: [Observation] = []
        let client = pair.clients[number % 2]
        for round in 0..<RunLength.historyImports {
            told.append(try await importSome(through: client, Identifier("\(number)-\(round)"), &random))
            // On either server, now and then on both.
            for reader in random.chance(30) ? pair.clients : [pair.clients[random.int(0..<2)]] {
                told.append(random.chance(70) ? try await size(reader) : try await check(reader, &random))
            }
        }
        return told
    }

    private func importSome(through client: MusterClient, _ id: Identifier, _ random: inout SeededRandom) async throws
        -> Observation
    {
        let cohort = Self.cohorts[random.int(0..<2)]
        let adding = Set((0..<random.int(1..<20)).map { _ in UInt32(random.int(0..<Self.userCount)) })
        let removing = Set((0..<random.int(0..<20)).map { _ in UInt32(random.int(0..<Self.userCount)) })
        let started = ContinuousClock.now
        let reply = try await client.importCohort(
            cohort, adding: adding.map { Identifier("u-\($0)") }, removing: removing.map { Identifier("u-\($0)") },
            requestID: id)
        let imported = Observation.Import(
            cohort: cohort, requestID: id, adding: adding.subtracting(removing), removing: removing, reply: reply)
        return Observation(what: .imported(imported), started: started, ended: .now)
    }

    private func size(_ client: MusterClient) async throws -> Observation {
        let started = ContinuousClock.now
        let reply = try await client.send(
            SizeSegment(filter: .all([.cohort("a"), .not(.cohort("b"))]), withNodes: true, withVersions: true))
        let nodes = Dictionary(uniqueKeysWithValues: (reply.nodes ?? []).map { ($0.path, $0.size) })
        return Observation(what: .size(reply.size, nodes, try #require(reply.versions)), started: started, ended: .now)
    }

    private func check(_ client: MusterClient, _ random: inout SeededRandom) async throws -> Observation {
        let users = (0..<10).map { _ in UInt32(random.int(0..<Self.userCount)) }
        let started = ContinuousClock.now
        let reply = try await client.send(
            CheckSegments(
                users: users.map { .externalID(Identifier("u-\($0)")) }, segments: ["a-not-b"], withVersions: true))
        let answers = Dictionary(zip(users, reply.results.map { $0.in[0] })) { first, _ in first }
        return Observation(what: .check(answers, try #require(reply.versions)), started: started, ended: .now)
    }

    // MARK: Checks

    private func verify(_ told: [Observation], _ pair: ServerPair) async throws {
        var histories: [Identifier: RecordedHistory] = [:]
        for cohort in Self.cohorts {
            let history = try await pair.database.history(of: cohort, in: pair.workspace.id)
            history.expectSound()
            histories[cohort] = history
            let imports = told.compactMap(\.imported).filter { $0.cohort == cohort }
            #expect(imports.map(\.reply.version).sorted() == Array(2..<history.version + 1))
            let recorded = try await receipts(of: cohort, through: pair.throughA)
            for imported in imports { verify(imported, history, recorded[imported.requestID]) }
            // In the end every server shows the last state of the history.
            for client in pair.clients {
                #expect(try await client.size(of: .cohort(cohort)) == history.states.last?.count)
            }
        }
        for one in told { verify(one, histories) }
        verifyOrder(of: told)
        try await pair.expectSound()
    }

    private func verify(_ imported: Observation.Import, _ history: RecordedHistory, _ recorded: ImportInfo?) {
        let version = Int(imported.reply.version)
        let (before, after) = (history.states[version - 1], history.states[version])
        #expect(after == before.subtracting(imported.removing).union(imported.adding))
        #expect(imported.reply.size == after.count)
        #expect(imported.reply.receipt.added == after.subtracting(before).count)
        #expect(imported.reply.receipt.removed == before.subtracting(after).count)
        #expect(recorded?.version == imported.reply.version)
        #expect(recorded?.receipt == imported.reply.receipt)
    }

    private func verify(_ told: Observation, _ histories: [Identifier: RecordedHistory]) {
        guard let versions = told.versions, let a = histories["a"], let b = histories["b"] else { return }
        let (inA, inB) = (a.states[Int(versions["a"] ?? 0)], b.states[Int(versions["b"] ?? 0)])
        switch told.what {
        case .imported: break
        case .size(let size, let nodes, _):
            #expect(size == inA.subtracting(inB).count)
            #expect(nodes["all[0].cohort"] == inA.count)
            #expect(nodes["all[1].not.cohort"] == inB.count)
        case .check(let answers, _):
            for (user, isIn) in answers { #expect(isIn == inA.subtracting(inB).contains(user)) }
        }
    }

    /// A call that begins after a reply sees at least its version, through every call and server.
    private func verifyOrder(of told: [Observation]) {
        for cohort in Self.cohorts {
            let known = told.compactMap { one in one.versions?[cohort].map { (version: $0, one: one) } }
            let ends = known.map { (at: $0.one.ended, version: $0.version) }.sorted { $0.at < $1.at }
            let starts = known.sorted { $0.one.started < $1.one.started }
            var (place, newest) = (0, Int64(0))
            for (version, one) in starts {
                while place < ends.count, ends[place].at < one.started {
                    newest = max(newest, ends[place].version)
                    place += 1
                }
                #expect(version >= newest, "an answer is older than one that was there before it was asked for")
                if case .imported = one.what { #expect(version > newest) }
            }
        }
    }
}

/// A reply and its times.
private struct Observation: Sendable {
    struct Import: Sendable {
        var cohort: Identifier
        var requestID: Identifier
        /// Without those that the same import removes afterwards.
        var adding: Set<UInt32>
        var removing: Set<UInt32>
        var reply: ImportCohort.Reply
    }

    enum What: Sendable {
        case imported(Import)
        case size(Int, [String: Int], Versions)
        case check([UInt32: Bool], Versions)
    }

    var what: What
    var started: ContinuousClock.Instant
    var ended: ContinuousClock.Instant

    var imported: Import? { if case .imported(let imported) = what { imported } else { nil } }

    /// By cohort.
    var versions: [Identifier: Int64]? {
        switch what {
        case .imported(let imported): [imported.cohort: imported.reply.version]
        case .size(_, _, let versions), .check(_, let versions):
            Dictionary(uniqueKeysWithValues: versions.cohorts.map { ($0.cohortID, $0.version) })
        }
    }
}
