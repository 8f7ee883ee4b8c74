import Glibc
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// What reads that share a statement hear of it.
@Suite struct SharedProofTests {
    private static let patiences: [Duration] = [
        .milliseconds(1_200), .milliseconds(300), .milliseconds(1_500), .milliseconds(500),
    ]

    /// The statement waits for a lock meanwhile.
    @Test func everyReadEndsAtItsOwnDeadline() async throws {
        try await withMuster(users: ["ada"]) { muster in
            // With a plan and its sets in memory, so that the next reads wait for a proof.
            _ = try await muster.isThere("ada", within: .seconds(10))
            async let lock: Void = muster.database.asOwner { connection in
                try connection.execute("LOCK TABLE set_head IN ACCESS EXCLUSIVE MODE")
                usleep(2_500_000)
            }
            try await Task.sleep(for: .milliseconds(200))
            let started = ContinuousClock.now
            try await withThrowingTaskGroup(of: (Duration, PostgresError?, Duration).self) { group in
                for patience in Self.patiences {
                    group.addTask {
                        do { _ = try await muster.isThere("ada", within: patience) } catch {
                            return (patience, error as? PostgresError, .now - started)
                        }
                        return (patience, nil, .now - started)
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
                for try await (patience, error, took) in group {
                    #expect(error?.kind == .deadlineExceeded, "after \(took): \(String(describing: error))")
                    #expect(took >= patience && took < patience + .seconds(1), "\(patience) took \(took)")
                }
            }
            try await lock
            #expect(try await muster.isThere("ada", within: .seconds(10)))
        }
    }

    @Test func manyReadsShareFewStatements() async throws {
        try await withMuster(users: ["ada"]) { muster in
            _ = try await muster.isThere("ada", within: .seconds(10))
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<500 { group.addTask { try await muster.isThere("ada", within: .seconds(10)) } }
                for try await isThere in group { #expect(isThere) }
            }
            let counts = muster.server.store.counts
            #expect(counts.provedReads >= 500)
            #expect(counts.proofs < counts.provedReads / 4, "\(counts.proofs) for \(counts.provedReads)")
        }
    }

    /// Statements are refused before they are made, while more reads arrive all the time.
    @Test func everyReadHearsOfAnOutage() async throws {
        try await withMuster(users: ["ada"]) { muster in
            _ = try await muster.isThere("ada", within: .seconds(10))
            try await muster.database.setReachable(false)
            try await withThrowingTaskGroup(of: (PostgresError.Kind?, Duration).self) { group in
                for index in 0..<300 {
                    group.addTask {
                        try await Task.sleep(for: .milliseconds(10 * index))
                        let started = ContinuousClock.now
                        // A third has a plan in memory, the others need a refresh.
                        let filter: Filter = index % 3 == 0 ? .everyone : .attribute(Identifier("x\(index)"), .exists)
                        do { _ = try await muster.isThere("ada", within: .seconds(8), in: filter) } catch {
                            return ((error as? PostgresError)?.kind, .now - started)
                        }
                        return (nil, .now - started)
                    }
                }
                for try await (kind, took) in group {
                    #expect(kind == .unavailable || kind == .connectionLost, "\(String(describing: kind))")
                    #expect(took < .seconds(5), "\(took)")
                }
            }
            try await muster.database.setReachable(true)
            var isServing = false
            for _ in 0..<100 where !isServing {
                isServing = (try? await muster.isThere("ada", within: .seconds(1))) ?? false
                if !isServing { try await Task.sleep(for: .milliseconds(100)) }
            }
            #expect(isServing)
        }
    }

    /// A filter that an older server can't read, or that is damaged, is nothing to those who ask about others.
    @Test func aDefinitionThatCannotBeReadFailsItsReadersAlone() async throws {
        try await withMuster(users: ["ada"]) { muster in
            for id: Identifier in ["bad", "good"] {
                _ = try await muster.send(CreateSegment(segmentID: id, name: "x", filter: .everyone))
            }
            try await muster.database.run("UPDATE segment SET filter = '{\"unheard\":{}}' WHERE segment_id = 'bad'")
            let scope = WorkspaceScope(muster.server.workspace.id, deadline: .now + .seconds(10))
            let audience = muster.server.store.in(scope).audience
            #expect(try await audience.size(of: .segments(["good"]), withNodes: false).size == 1)
            #expect(try await audience.size(of: .filter(.everyone), withNodes: false).size == 1)
            await #expect(throws: DamagedSet.self) {
                _ = try await audience.size(of: .segments(["bad"]), withNodes: false)
            }
        }
    }
}

extension MusterUnderTest {
    fileprivate func isThere(
        _ user: Identifier, within patience: Duration, in filter: Filter = .everyone
    ) async throws -> Bool {
        let scope = WorkspaceScope(server.workspace.id, deadline: .now + patience)
        let membership = try await server.store.in(scope).audience.membership(
            of: [.externalID(user)], in: .filter(filter))
        return membership.users[0] == [true]
    }
}
