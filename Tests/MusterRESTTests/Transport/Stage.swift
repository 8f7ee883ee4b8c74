import Logging
import MusterHTTP
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
        var opened = 0
        var proofs = 0
        var partnerReads = 0
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

    /// How often a key was looked up, proved to be live, and its partner read.
    var checks: (opened: Int, proofs: Int, partnerReads: Int) {
        state.withLockedValue { ($0.opened, $0.proofs, $0.partnerReads) }
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
            open: { [self] call, _ in
                state.withLockedValue { $0.opened += 1 }
                guard [key, serviceKey].contains(call.key) else {
                    throw RPCError(.unauthenticated, "this key is no good")
                }
                let session = Session(
                    workspaceID: .init(rawValue: 1), workspace: "acme", keyID: "k",
                    kind: call.key == key ? .import : .service, partner: "p", scopes: ["*"], expiresAt: nil)
                return (session, OpenSession.Reply(workspace: "acme", keyID: "k", scopes: ["*"]))
            },
            prove: { [self] _, _ throws(RPCError) in
                state.withLockedValue { $0.proofs += 1 }
                return .now
            },
            maxInFlightPerKey: maxInFlightPerKey, logger: quietLogger)
    }

    /// An operator who enabled every partner.
    var authorizer: PartnerAuthorizer {
        PartnerAuthorizer { [self] _, _, _ in
            state.withLockedValue { $0.partnerReads += 1 }
            return PartnerAdmission(isEnabled: true, apiKeyDigest: nil)
        }
    }

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
let quickBounds: HTTPServerSettings.Bounds = {
    var bounds = HTTPServerSettings.Bounds()
    bounds.linger = .milliseconds(300)
    return bounds
}()

/// A server on a port of its own, for as long as `body` runs.
func withServer(
    bounds: HTTPServerSettings.Bounds = quickBounds, tls: TLSFiles? = nil, stage: Stage = Stage(),
    _ body: (HTTPServer, Stage) async throws -> Void
) async throws {
    let server = HTTPServer(
        rest: .init(listener: .init(port: 0, tls: tls, allowPlaintext: true), bounds: bounds), router: stage.router,
        authorizer: stage.authorizer, archives: nil, splitRequests: nil, logger: quietLogger)
    let running = Task { try await server.run() }
    _ = await eventually { server.boundPort != nil }
    let result: Result<Void, any Error>
    do { result = .success(try await body(server, stage)) } catch { result = .failure(error) }
    running.cancel()
    _ = await running.result
    try result.get()
}

func withConnection(
    bounds: HTTPServerSettings.Bounds = quickBounds, _ body: (RawHTTP, HTTPServer, Stage) async throws -> Void
) async throws {
    try await withServer(bounds: bounds) { server, stage in
        let connection = try await RawHTTP(port: server.port)
        try await body(connection, server, stage)
        await connection.close()
    }
}

extension HTTPServer {
    var port: Int { boundPort ?? 0 }
}
