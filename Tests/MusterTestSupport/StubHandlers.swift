public import MusterHandlers
public import MusterProtocol
import MusterStore
import Synchronization
public import TestSupport

/// Handlers of the stub calls, for tests of the connection, the client and the listener. They need no database.
///
/// Every key is good but `bad`; `slow` waits at the gate `open`.
public final class StubHandlers: Sendable {
    /// Where `WaitCall` and `LargeCall` wait, by their name.
    public let gates = Gates()
    /// The calls of `DirectWaitCall` that wait.
    public let waits = DirectWaits()
    /// Raised when the next proof of each key arrives.
    public let isProved = Flag()
    private let attemptCount = Mutex(0)
    private let maxInFlightPerKey: Int
    private let prove: CallRouter.Prove

    /// - Parameters:
    ///   - maxInFlightPerKey: the limit that the router holds each key to.
    ///   - prove: tells when a key was proved; calls whose key has no recent proof wait until `isProved`.
    public init(
        maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value,
        prove: @escaping CallRouter.Prove = { _, _ throws(RPCError) in .now }
    ) {
        (self.maxInFlightPerKey, self.prove) = (maxInFlightPerKey, prove)
    }

    /// How often `EchoCall` and `FailCall` were handled.
    public var attempts: Int { attemptCount.withLock(\.self) }

    private func attempt() -> Int {
        attemptCount.withLock { count in
            count += 1
            return count
        }
    }

    /// A router of these handlers.
    public var router: CallRouter {
        CallRouter(
            routes: routes,
            open: { [gates] call, _ in
                if call.key == "slow" { try await gates.wait(at: "open") }
                guard call.key != "bad" else { throw RPCError(.unauthenticated, "this key is no good") }
                let session = Session(
                    workspaceID: .init(rawValue: 1), workspace: "acme", keyID: call.key, kind: .service, partner: nil,
                    scopes: ["*"], expiresAt: nil)
                return (session, OpenSession.Reply(workspace: "acme", keyID: call.key, scopes: ["*"]))
            },
            prove: prove,
            nextProof: { [isProved] _, _ throws(RPCError) in
                while !isProved.isRaised {
                    do { try await Task.sleep(for: .milliseconds(5)) } catch { throw RPCError(.cancelled, "cancelled") }
                }
                return .now
            }, maxInFlightPerKey: maxInFlightPerKey, logger: quietLogger)
    }

    private var routes: [Route] {
        [
            Route(EchoCall.self) { call, _ in
                _ = self.attempt()
                return .init(text: call.text)
            },
            Route(direct: DirectEchoCall.self) { call, _, _, reply in
                _ = self.attempt()
                reply(call.text == "fail" ? .failure(TookTooLong()) : .success(.init(text: call.text)))
                reply(.success(.init(text: "a second reply")))
            },
            Route(direct: DirectWaitCall.self) { call, _, loop, reply in self.waits.add(call.name, loop, reply) },
            Route(WaitCall.self) { call, _ in
                try await self.gates.wait(at: call.name)
                return Done()
            },
            Route(LargeCall.self) { call, _ in
                try await self.gates.wait(at: call.name)
                return Done()
            },
            Route(FailCall.self) { call, _ in
                let attempt = self.attempt()
                guard attempt > call.times else {
                    throw RPCError(
                        call.code, "as told",
                        details: call.retryAfter.map { ["retry_after_ms": .integer(Int64($0))] } ?? [:])
                }
                return .init(attempts: attempt)
            },
            Route(CountCall.self) { call, _ in
                let start = call.pageToken.flatMap { Int($0) } ?? 0
                let end = min(call.count, start + (call.pageSize ?? 10))
                return .init(numbers: Array(start..<end), nextPageToken: end < call.count ? "\(end)" : nil)
            },
        ]
    }
}
