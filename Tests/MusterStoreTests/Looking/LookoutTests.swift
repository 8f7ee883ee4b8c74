import MusterTestSupport
import Postgres
import Testing

@testable import MusterStore

/// What calls that share a look hear of it.
@Suite struct LookoutTests {
    /// A look that lasts until its deadline, as at a PostgreSQL that answers nothing.
    private let lookout = Lookout(counts: StoreCounts()) { _, deadline in
        try await Task.sleep(until: deadline, clock: .continuous)
        throw PostgresError(.connectionLost)
    }
    private let request = LookRequest(scope: LookScope(cohorts: [], segments: []))

    /// The second call waits for the next look, which it shares with the others.
    @Test func everyCallEndsAtItsOwnDeadline() async throws {
        let started = ContinuousClock.now
        let patiences: [Duration] = [.milliseconds(2_500), .milliseconds(300), .seconds(3), .milliseconds(500)]
        try await withThrowingTaskGroup(of: (Int, PostgresError?, Duration).self) { group in
            for (fixture, patience) in patiences.enumerated() {
                group.addTask { [lookout, request] in
                    do {
                        _ = try await lookout.look(
                            request, for: WorkspaceScope(WorkspaceID(rawValue: 1), deadline: started + patience))
                    } catch {
                        return (fixture, error as? PostgresError, .now - started)
                    }
                    return (fixture, nil, .zero)
                }
                try await Task.sleep(for: .milliseconds(20))
            }
            for try await (fixture, error, took) in group {
                // The patient ones hear of what came of their look, the others before it ends.
                let isPatient = patiences[fixture] > .seconds(1)
                #expect(isPatient || error?.kind == .deadlineExceeded)
                #expect(took >= patiences[fixture] && (isPatient || took < .seconds(2)), "\(fixture) after \(took)")
            }
        }
    }
}
