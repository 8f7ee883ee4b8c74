import HTTPTypes
import HummingbirdCore
import MusterHandlers
import MusterProtocol

/// Who sends a request with a service key, and what she may have done.
struct ServiceCaller {
    private static let unknownKey = Refusal(.unauthorized, "Invalid API key")

    private let desk: AccessDesk
    let session: Session
    private let secret: String
    private let time = TimeBudget.current
    /// The name that she gave the request, where it can be one.
    private let idempotencyKey: Result<Identifier?, any Error>

    /// Judges `Authorization: Bearer KEY`. Throws a `Refusal` with status 401 for what is no good service key.
    init(_ request: Request, _ desk: AccessDesk) async throws {
        guard let secret = request.bearer else { throw Self.unknownKey }
        (self.desk, self.secret) = (desk, secret)
        idempotencyKey = Result { try request.idempotencyKey() }
        do { session = try await desk.session(for: secret, deadline: time.deadline) } catch {
            throw error.code == .unauthenticated ? Self.unknownKey : Refusal(error)
        }
        guard session.kind == .service else { throw Self.unknownKey }
    }

    /// Throws a `Refusal` with status 403 where the key lacks this scope, which is no call's.
    func authorize(_ scope: String) async throws {
        do { try await desk.authorize(scope, as: session, deadline: deadline) } catch {
            throw Self.refusal(error)
        }
    }

    /// Of the request, as far as its body has come.
    var deadline: ContinuousClock.Instant { time.deadline }

    /// The name of the request; nil where it has none. Throws a `Refusal` with status 400 for what can't be one.
    var requestID: Identifier? { get throws { try idempotencyKey.get() } }

    /// Sends a write under the name of the request: a repeat gets the recorded answer, and has no second effect.
    func record<C: RecordedCall>(_ call: C) async throws -> C.Reply {
        var call = call
        call.requestID = try requestID
        return try await send(call)
    }

    /// Sends a call. Throws a `Refusal` with status 403 where the key lacks its scope.
    func send<C: Call>(_ call: C) async throws -> C.Reply {
        do { return try await desk.answer(call, as: session, secret: secret, deadline: deadline) } catch {
            throw Self.refusal(error)
        }
    }

    /// In Braze's words, where it has some; programs hear which scope the key lacks.
    private static func refusal(_ error: RPCError) -> Refusal {
        switch error.code {
        case .permissionDenied: Refusal(error, words: "Access Denied: \(error.message)")
        case .unauthenticated: unknownKey
        default: Refusal(error)
        }
    }
}

extension Request {
    /// The secret in `Authorization: Bearer`; nil where there is no such header.
    var bearer: String? {
        guard let header = headers[.authorization], header.lowercased().hasPrefix("bearer ") else { return nil }
        return String(header.dropFirst(7)).withoutWhiteSpaceAround
    }
}
