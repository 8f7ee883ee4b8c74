import Logging
import MusterHandlers
import MusterListener
import MusterProtocol
import MusterServer
import MusterStore
import MusterTestSupport
import NIOConcurrencyHelpers

/// Says what it was told.
struct EchoCall: ReadingCall {
    static let method = "test.echo"
    static let summary = "Echo."
    static let notes = ""
    static let example = (call: EchoCall(text: "hello"), reply: Reply(text: "hello"))
    var text: String
    struct Reply: Codable, Sendable, Equatable { var text: String }
}

/// Waits at a gate until somebody opens it.
struct WaitCall: Call {
    static let method = "test.wait"
    static let summary = "Wait."
    static let notes = ""
    static let example = (call: WaitCall(name: "a"), reply: Done())
    var name: String
    var safe: Bool?
    typealias Reply = Done
    var isSafeToRepeat: Bool { safe ?? false }
}

/// Waits as `WaitCall` does; its answer may have so many bytes.
struct LargeCall: ReadingCall {
    static let method = "test.large"
    static let summary = "Wait."
    static let notes = ""
    static let example = (call: LargeCall(name: "a", bytes: 1), reply: Done())
    var name: String
    var bytes: Int
    typealias Reply = Done
    var mostReplyBytes: Int { bytes }
}

/// Fails as it is told, so many times in a row.
struct FailCall: Call {
    static let method = "test.fail"
    static let summary = "Fail."
    static let notes = ""
    static let example = (call: FailCall(code: .aborted, times: 1, safe: true), reply: Reply(attempts: 2))
    var code: RPCCode
    var times: Int
    var safe: Bool
    var retryAfter: Int?
    struct Reply: Codable, Sendable, Equatable { var attempts: Int }
    var isSafeToRepeat: Bool { safe }
}

/// Numbers up to `count`, in pages.
struct CountCall: PagedCall {
    static let method = "test.count"
    static let summary = "Count."
    static let notes = ""
    static let example = (call: CountCall(count: 1), reply: Reply(numbers: [0]))
    var count: Int
    var pageSize: Int?
    var pageToken: String?
    struct Reply: Codable, Sendable, Equatable, Page {
        var numbers: [Int]
        var nextPageToken: String?
        var entries: [Int] { numbers }
    }
}

/// What the routes of one test did and are to do.
final class Stage: Sendable {
    private struct State {
        var attempts = 0
        var waiting: [String: CheckedContinuation<Void, any Error>] = [:]
        var arrived: [String] = []
        var openGates: Set<String> = []
        var cancelled: [String] = []
        var isUnavailable = false
    }
    private let state = NIOLockedValueBox(State())
    let mostInFlightPerKey: Int

    init(mostInFlightPerKey: Int = Limits.requestsInFlightPerKey.value) {
        self.mostInFlightPerKey = mostInFlightPerKey
    }

    var arrived: [String] { state.withLockedValue { $0.arrived } }
    var cancelled: [String] { state.withLockedValue { $0.cancelled } }
    var attempts: Int { state.withLockedValue { $0.attempts } }

    func attempt() -> Int {
        state.withLockedValue { state in
            state.attempts += 1
            return state.attempts
        }
    }

    func wait(_ name: String) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOpen = state.withLockedValue { state in
                    state.arrived.append(name)
                    if state.openGates.contains(name) || Task.isCancelled { return true }
                    state.waiting[name] = continuation
                    return false
                }
                if isOpen { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLockedValue { state in
                state.cancelled.append(name)
                return state.waiting.removeValue(forKey: name)
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    func letGo(_ name: String) {
        let waiter = state.withLockedValue { state in
            state.openGates.insert(name)
            return state.waiting.removeValue(forKey: name)
        }
        waiter?.resume()
    }

    func letAllGo() { for name in state.withLockedValue({ Array($0.waiting.keys) }) { letGo(name) } }
}

func routes(_ stage: Stage) -> [Route] {
    [
        Route(EchoCall.self) { call, _ in
            _ = stage.attempt()
            return .init(text: call.text)
        },
        Route(WaitCall.self) { call, _ in
            try await stage.wait(call.name)
            return Done()
        },
        Route(LargeCall.self) { call, _ in
            try await stage.wait(call.name)
            return Done()
        },
        Route(FailCall.self) { call, _ in
            let attempt = stage.attempt()
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

func router(_ stage: Stage) -> Router {
    Router(
        routes: routes(stage),
        open: { call, _ in
            if call.key == "slow" { try await stage.wait("open") }
            guard call.key != "bad" else { throw RPCError(.unauthenticated, "this key is no good") }
            let session = Session(
                workspaceID: .init(rawValue: 1), workspace: "acme", keyID: call.key, kind: .service, partner: nil,
                scopes: ["*"],
                expiresAt: nil)
            return (session, OpenSession.Reply(workspace: "acme", keyID: call.key, scopes: ["*"]))
        },
        verify: { _, _ in }, mostInFlightPerKey: stage.mostInFlightPerKey, logger: quiet)
}

var quiet: Logger {
    var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    return logger
}

/// A server on a port of its own, for as long as `body` runs.
func withServer(
    bounds: RPCServerSettings.Bounds = quickBounds, tls: TLSFiles? = nil, stage: Stage = Stage(),
    _ body: (RPCServer, Stage) async throws -> Void
) async throws {
    let server = RPCServer(
        settings: .init(listener: .init(port: 0, tls: tls, allowPlaintext: true), bounds: bounds),
        router: router(stage), logger: quiet)
    try await server.start()
    do { try await body(server, stage) } catch {
        await server.cutNow()
        throw error
    }
    await server.cutNow()
}

func withConnection(
    bounds: RPCServerSettings.Bounds = quickBounds, stage: Stage = Stage(), open: Bool = true,
    _ body: (RawConnection, RPCServer, Stage) async throws -> Void
) async throws {
    try await withServer(bounds: bounds, stage: stage) { server, stage in
        let connection = try await RawConnection(port: server.port)
        if open { try await connection.open() }
        try await body(connection, server, stage)
        await connection.close()
    }
}

/// As in earnest, but for the moment that a refused peer gets to read why.
let quickBounds: RPCServerSettings.Bounds = {
    var bounds = RPCServerSettings.Bounds()
    bounds.linger = .milliseconds(100)
    return bounds
}()

extension RPCServer {
    var port: Int { boundPort ?? 0 }
}
