import MusterClient
import MusterHandlers
import MusterProtocol
import MusterSets
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// What is stored is damaged on purpose: verify names the place, and no read answers with other members.
@Suite struct DamagedSetTests {
    /// Six versions of cohort `c`, a snapshot at 3, and nothing wrong.
    private func withHistory(_ body: (ServerPair, _ set: Int32) async throws -> Void) async throws {
        try await ServerPair.with(users: .users(0..<20)) { pair in
            for round in 0..<6 {
                try await pair.clients[round % 2].importCohort(
                    "c", adding: .users(round * 3..<round * 3 + 3), removing: .users(round..<round + 1))
                if round == 2 {
                    let set = SetKey(workspace: pair.workspace.id, number: try await pair.numberOfSet("c"))
                    #expect(try await pair.a.store.maintenance.in(set.workspace).compact(set) == 3)
                }
            }
            try await pair.expectSound()
            try await body(pair, try await pair.numberOfSet("c"))
        }
    }

    /// Runs SQL on the rows of the set, and expects these problems from verify.
    private func damage(
        _ pair: ServerPair, _ set: Int32, _ script: String, finds problem: String, readable: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await pair.asOwner { connection in
            try connection.run(script: script.replacing("SET_NUMBER", with: "\(set)"))
        }
        let problems = try await pair.b.store.maintenance.verify(deadline: .soon).problems
        let place = "workspace \(pair.workspace.id.rawValue), set \(set), "
        #expect(problems.allSatisfy { $0.hasPrefix(place) }, "\(problems)", sourceLocation: sourceLocation)
        #expect(problems.contains { $0.contains(problem) }, "\(problems)", sourceLocation: sourceLocation)
        // The exit code tells the owner of the tables too.
        let code = try await ServerProcess.run(["verify"], databaseURL: pair.database.ownerURL)
        #expect(code == 1, sourceLocation: sourceLocation)
        guard !readable else { return }
        for server in pair.servers { server.store.forgetSets(of: pair.workspace.id) }
        for client in pair.clients {
            let calls: [any Call] = [
                SizeSegment(filter: .cohort("c")), ListSegmentMembers(filter: .not(.cohort("c"))),
                ListCohortMembers(partner: "tinyclues", cohortID: "c"),
                ImportCohort(partner: "tinyclues", cohortID: "c", changes: [.adding(userIDs: ["u-1"])]),
                DiffCohort(partner: "tinyclues", cohortID: "c", fromVersion: 0),
            ]
            for call in calls {
                #expect(
                    await client.code(of: call) == .dataLoss, "\(type(of: call).method)", sourceLocation: sourceLocation
                )
            }
            // Other sets are not affected.
            #expect(try await client.size(of: .everyone) == 20, sourceLocation: sourceLocation)
        }
    }

    @Test func aSoundDatabaseHasNoProblems() async throws {
        try await withHistory { pair, _ in
            #expect(try await ServerProcess.run(["verify"], databaseURL: pair.database.ownerURL) == 0)
            let report = try await pair.b.store.maintenance.verify(deadline: .soon)
            #expect(report.changes == 7)
        }
    }

    @Test func aFlippedByteOfAChange() async throws {
        try await withHistory { pair, set in
            try await damage(
                pair, set,
                "UPDATE set_change SET added = set_byte(added, 20, get_byte(added, 20) # 1) WHERE set_number = SET_NUMBER AND version = 5",
                finds: "version 5: the bytes of its change are damaged")
        }
    }

    @Test func aFlippedByteOfASnapshot() async throws {
        try await withHistory { pair, set in
            try await damage(
                pair, set,
                "UPDATE set_chunk SET members = set_byte(members, 3, get_byte(members, 3) # 128) WHERE set_number = SET_NUMBER",
                finds: "chunk 0 of the snapshot: its bytes are damaged")
        }
    }

    @Test func aMissingChunk() async throws {
        try await withHistory { pair, set in
            try await damage(
                pair, set, "DELETE FROM set_chunk WHERE set_number = SET_NUMBER",
                finds: "version 3: the snapshot differs from the log")
        }
    }

    @Test func aMissingChange() async throws {
        try await withHistory { pair, set in
            try await damage(
                pair, set, "DELETE FROM set_change WHERE set_number = SET_NUMBER AND version = 5",
                finds: "version 6: the one before it is 4")
        }
    }

    @Test func aMissingLastChange() async throws {
        try await withHistory { pair, set in
            try await damage(
                pair, set, "DELETE FROM set_change WHERE set_number = SET_NUMBER AND version = 6",
                finds: "version 6: the log ends at 5")
        }
    }

    @Test func swappedTags() async throws {
        try await withHistory { pair, set in
            try await damage(
                pair, set,
                """
                UPDATE set_change c SET tag = o.tag FROM set_change o
                WHERE c.set_number = SET_NUMBER AND o.set_number = SET_NUMBER AND c.workspace_id = o.workspace_id
                    AND (c.version, o.version) IN ((4, 5), (5, 4))
                """,
                finds: "version 5: it goes on from another history")
        }
    }

    @Test func aWrongSize() async throws {
        try await withHistory { pair, set in
            try await damage(
                pair, set, "UPDATE set_head SET size = size + 1 WHERE set_number = SET_NUMBER",
                finds: "version 6: the head says 13 members, the log 12")
        }
    }

    /// Every checksum holds: only verify, which knows the users, can tell.
    @Test func aMemberWithoutAUser() async throws {
        try await withHistory { pair, set in
            let bytes = StoredSet.encode([12, 13, 14, 4_711]).map { String($0, radix: 16).leftPadded }.joined()
            try await damage(
                pair, set,
                """
                UPDATE set_change SET added = '\\x\(bytes)' WHERE set_number = SET_NUMBER AND version = 5;
                UPDATE set_head SET size = size + 1 WHERE set_number = SET_NUMBER
                """,
                finds: "version 6: 1 members are no users", readable: true)
        }
    }

    /// A change adds a member that existed already, so it can't be undone.
    @Test func aChangeThatIsNotEffective() async throws {
        try await withHistory { pair, set in
            let bytes = StoredSet.encode([9, 10, 11, 12, 13, 14]).map { String($0, radix: 16).leftPadded }.joined()
            try await damage(
                pair, set, "UPDATE set_change SET added = '\\x\(bytes)' WHERE set_number = SET_NUMBER AND version = 5",
                finds: "version 5: it adds members", readable: true)
        }
    }
}

extension String {
    fileprivate var leftPadded: String { count < 2 ? "0" + self : self }
}

extension MusterClient {
    fileprivate func code(of call: any Call) async -> RPCCode? {
        func open<C: Call>(_ call: C) async -> RPCCode? { await code(of: call, deadline: nil) }
        return await open(call)
    }
}
