import MusterHandlers
import MusterProtocol
import MusterRPC
import MusterTestSupport
import Testing

/// What came back for one request.
enum Answer: Equatable {
    case reply(String)
    case error(RPCError)

    var code: RPCCode? { if case .error(let error) = self { error.code } else { nil } }
    var message: String { if case .error(let error) = self { error.message } else { "" } }
    var details: RPCError.Details { if case .error(let error) = self { error.details } else { [:] } }
    /// All that the caller can read.
    var text: String {
        switch self {
        case .reply(let body): body
        case .error(let error): "\(error) \((try? RawJSON(encoding: error.details))?.text ?? "")"
        }
    }
}

/// An open session over a real socket, for requests that no client would send. One request at a time.
struct RawSession {
    let connection: RawConnection

    /// Opens a session with this key, or with the workspace's admin key.
    static func open(_ server: TestServer, key: String? = nil) async throws -> RawSession {
        let connection = try await RawConnection(port: server.rpc.boundPort ?? 0)
        try await connection.open(key: key ?? server.workspace.adminKey.text)
        return RawSession(connection: connection)
    }

    func answer(_ method: String, _ body: String) async throws -> Answer {
        try await answer(to: framed(request(7, method, body)))
    }

    /// The answer to a whole frame, which should be a request of id 7; nothing but pings may come in between.
    func answer(to frame: [UInt8]) async throws -> Answer {
        try await connection.send(frame)
        while let frame = try await connection.next(within: 60) {
            switch frame {
            case .reply(_, let body): return .reply(body)
            case .error(_, let error): return .error(error)
            default: continue
            }
        }
        throw RPCError(.unavailable, "the server closed the connection")
    }

    /// Whether the session still answers.
    func goesOn() async throws -> Bool {
        if case .reply = try await answer(ListPartners.method, "{}") { true } else { false }
    }
}

/// A frame around bytes that need not be text.
func framed(bytes: [UInt8]) -> [UInt8] {
    var frame: [UInt8] = []
    FrameHeader(length: bytes.count).append(to: &frame)
    return frame + bytes
}

/// A refusal tells programs why, and the limit that it comes from by name and value, which its sentence names too.
func expectReadable(_ answer: Answer, _ context: String, at location: SourceLocation = #_sourceLocation) {
    expectReadable(answer.code, answer.message, answer.details, context, at: location)
}

/// The same of an error.
func expectReadable(
    _ code: RPCCode?, _ message: String, _ details: RPCError.Details, _ context: String,
    at location: SourceLocation = #_sourceLocation
) {
    let context = "\(context): \(message.prefix(200)) \((try? RawJSON(encoding: details))?.text ?? "")"
    if code?.needsReason == true { #expect(details.reason != nil, "\(context)", sourceLocation: location) }
    guard let name = details.string("limit") else {
        if let reason = details.reason {
            #expect(![.tooLong, .tooMany, .tooDeep].contains(reason), "\(context)", sourceLocation: location)
        }
        return
    }
    guard let limit = Limits.all.first(where: { $0.name == name }) else {
        Issue.record("there is no limit \(name): \(context)", sourceLocation: location)
        return
    }
    let error = RPCError(code ?? .unknown, message, details: details)
    #expect(error.names(limit, as: limit.value), "\(context)", sourceLocation: location)
}
