import MusterProtocol

/// A message from the server, independent of the bytes it was read from.
enum ServerEvent {
    case reply(Int64)
    case error(Int64, RPCError)
    case goaway(lastID: Int64)
    case ping(Int64)
    case pong

    init(_ envelope: Envelope) throws(RPCError) {
        switch envelope {
        case .reply(let id, _): self = .reply(id)
        case .error(let id, let error): self = .error(id, error)
        case .goaway(let lastID, _): self = .goaway(lastID: lastID)
        case .ping(let number): self = .ping(number)
        case .pong: self = .pong
        case .request, .cancel: throw RPCError(unreadable: nil)
        }
    }
}

/// Finds the id of a reply without parsing it, in the form in which our server writes it. The caller's task parses the
/// reply once.
enum ReplyScan {
    /// The id, and the index at which the body begins; nil when the message is anything else, or has another form.
    static func start(of message: UnsafeRawBufferPointer) -> (id: Int64, body: Int)? {
        var text = PlainJSON(message)
        guard text.take("{\"id\":"), let id = text.integer(), id >= 0, text.take(",\"body\":") else { return nil }
        return (Int64(id), text.index)
    }
}

extension RPCError {
    /// Whether another attempt to open a session would fail too.
    var isFinalForSession: Bool {
        switch code {
        case .unauthenticated, .permissionDenied, .invalidArgument, .unimplemented, .failedPrecondition: true
        default: false
        }
    }
}
