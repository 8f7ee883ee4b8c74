import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// SIGTERM to a real server under load.
@Suite(.timeLimit(.minutes(2))) struct DrainTests {
    /// The reply to one import.
    private struct Observation: Sendable {
        var requestID: Identifier
        var error: RPCCode?
    }

    @Test func aStoppedServerAnswersAcceptedCallsAndClientsMoveOn() async throws {
        try await TestDatabase.with { database in
            let workspace = try await database.makeAdministered("test")
            let port = try Loopback.freePort()
            try await ServerProcess.withSeveral(database.serverURL) { starter in
                let first = try starter.start(port: port)
                let patient = ServerProcess.client(port: port, key: workspace.adminKey)
                try await patient.untilServing()
                let users = [Identifier].users(0..<50)
                _ = try await patient.send(UpsertUsers(users: users.map { UserEntry(externalID: $0) }))
                let isEnding = Flag()
                let told = try await withThrowingTaskGroup(of: [Observation].self) { group in
                    for number in 0..<8 {
                        // Half of the clients retry nothing: they get the server's answer to the only attempt.
                        let client = ServerProcess.client(port: port, key: workspace.adminKey) {
                            $0.repeats = number % 2 == 0
                        }
                        group.addTask { try await Self.load(client, number, of: users, until: isEnding) }
                    }
                    try await Task.sleep(for: .milliseconds(600))
                    let asked = ContinuousClock.now
                    await first.stop()
                    #expect(ContinuousClock.now - asked < .seconds(10))
                    let second = try starter.start(port: port)
                    try await patient.untilServing()
                    try await Task.sleep(for: .milliseconds(400))
                    isEnding.raise()
                    let told = try await group.reduce(into: [Observation]()) { $0 += $1 }
                    try await expectAnswered(told, through: patient)
                    await second.stop()
                    return told
                }
                #expect(told.contains { $0.error == nil })
                await patient.close()
            }
        }
    }

    /// Imports until the flag is raised, and returns the replies.
    private static func load(
        _ client: MusterClient, _ number: Int, of users: [Identifier], until isEnding: Flag
    ) async throws -> [Observation] {
        var told: [Observation] = []
        while !isEnding.isRaised {
            let id = Identifier("\(number)-\(told.count)")
            do {
                let adding = users.shuffled().prefix(5)
                try await client.importCohort(Identifier("c-\(number % 3)"), adding: Array(adding), requestID: id)
                told.append(Observation(requestID: id, error: nil))
            } catch {
                let code = (error as? RPCError)?.code ?? .internal
                #expect(number % 2 == 1, "a client that repeats was refused: \(code.rawValue)")
                told.append(Observation(requestID: id, error: code))
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        await client.close()
        return told
    }

    /// Applied imports were acknowledged, and refused ones were not applied.
    private func expectAnswered(_ told: [Observation], through client: MusterClient) async throws {
        var applied: Set<Identifier> = []
        for number in 0..<3 {
            applied.formUnion(try await receipts(of: Identifier("c-\(number)"), through: client).keys)
        }
        #expect(Set(told.filter { $0.error == nil }.map(\.requestID)) == applied)
        // Refused before it began, or never sent; no other error.
        #expect(told.allSatisfy { $0.error == nil || $0.error == .unavailable })
    }
}
