import Logging
import MusterHandlers
import MusterListener
import MusterProtocol
import MusterREST
import MusterStore
import MusterTestSupport
import NIOConcurrencyHelpers
import TestSupport

/// Handlers that do what a test tells them, behind the partner routes, whose bodies are a stranger's until their key is
/// judged.
final class Stage: Sendable {
    private struct State {
        var waiting: [String: CheckedContinuation<Void, any Error>] = [:]
        var arrived: [String] = []
        var openGates: Set<String> = []
        var cancelled: [String] = []
        var named: [String] = []
    }
    private let state = NIOLockedValueBox(State())
    /// Good for partner `p`.
    let key = Secret(.import, in: WorkspaceID(rawValue: 1)).text
    /// Of a service that may do everything.
    let serviceKey = Secret(.service, in: WorkspaceID(rawValue: 1)).text
    private let maxInFlightPerKey: Int

    init(maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value) {
        self.maxInFlightPerKey = maxInFlightPerKey
    }

    /// Imports whose handler began, and those whose work was cancelled.
    var arrived: [String] { state.withLockedValue { $0.arrived } }
    var cancelled: [String] { state.withLockedValue { $0.cancelled } }
    /// Cohorts that were named, in order.
    var named: [String] { state.withLockedValue { $0.named } }

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

    // MARK: Requests

    /// Names a cohort, at once; `padding` bytes are of no meaning.
    func naming(_ cohort: String = "c", name: String = "n", padding: Int = 0) -> String {
        // By blocks: blank by blank, millions take seconds.
        let block = String(repeating: " ", count: 10_000)
        let rest = String(repeating: block, count: padding / 10_000) + block.prefix(padding % 10_000)
        return """
            {"client_secret":"\(key)","cohort_id":"\(cohort)","name":"\(name)","created_at":"2021-01-21T19:20:30Z"\(rest)}
            """
    }

    /// Imports into a cohort, which waits until it is let go.
    func importing(_ cohort: String) -> String {
        #"{"client_secret":"\#(key)","cohort_id":"\#(cohort)","cohort_changes":[{"user_ids":["u"]}]}"#
    }

    // MARK: CallRouter

    var router: CallRouter {
        CallRouter(
            routes: routes,
            open: { [key, serviceKey] call, _ in
                guard [key, serviceKey].contains(call.key) else {
                    throw RPCError(.unauthenticated, "this key is no good")
                }
                let session = Session(
                    workspaceID: .init(rawValue: 1), workspace: "acme", keyID: "k",
                    kind: call.key == key ? .import : .service, partner: "p", scopes: ["*"], expiresAt: nil)
                return (session, OpenSession.Reply(workspace: "acme", keyID: "k", scopes: ["*"]))
            },
            verify: { _, _ in }, maxInFlightPerKey: maxInFlightPerKey, logger: quietLogger)
    }

    /// An operator who enabled every partner.
    var gate: PartnerGate { PartnerGate { _, _, _ in PartnerAdmission(isEnabled: true, apiKeyDigest: nil) } }

    private var routes: [Route] {
        [
            Route(CreateCohort.self) { call, _ in
                self.state.withLockedValue { $0.named.append(call.cohortID.text) }
                return CreateCohort.example.reply
            },
            Route(ImportCohort.self) { call, _ in
                try await self.wait(call.cohortID.text)
                return ImportCohort.example.reply
            },
        ]
    }
}

let namePath = "/partners/p/cohorts"
let importPath = "/partners/p/cohorts/users"

/// As in earnest, but for the moment that a refused client gets to read why.
let quickBounds: RESTServerSettings.Bounds = {
    var bounds = RESTServerSettings.Bounds()
    bounds.linger = .milliseconds(300)
    return bounds
}()

/// A server on a port of its own, for as long as `body` runs.
func withServer(
    bounds: RESTServerSettings.Bounds = quickBounds, tls: TLSFiles? = nil, stage: Stage = Stage(),
    _ body: (RESTServer, Stage) async throws -> Void
) async throws {
    let server = RESTServer(
        settings: .init(listener: .init(port: 0, tls: tls, allowPlaintext: true), bounds: bounds), router: stage.router,
        gate: stage.gate, archives: nil, splitRequests: nil, logger: quietLogger)
    let running = Task { try await server.run() }
    _ = await eventually { server.boundPort != nil }
    let result: Result<Void, any Error>
    do { result = .success(try await body(server, stage)) } catch { result = .failure(error) }
    running.cancel()
    _ = await running.result
    try result.get()
}

func withConnection(
    bounds: RESTServerSettings.Bounds = quickBounds, _ body: (RawHTTP, RESTServer, Stage) async throws -> Void
) async throws {
    try await withServer(bounds: bounds) { server, stage in
        let connection = try await RawHTTP(port: server.port)
        try await body(connection, server, stage)
        await connection.close()
    }
}

extension RESTServer {
    var port: Int { boundPort ?? 0 }
}
