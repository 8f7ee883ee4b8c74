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
    private static let start = Array("{\"id\":".utf8)
    private static let middle = Array(",\"body\":".utf8)

    /// The id; nil when the message is anything else or a reply in another form.
    static func id(of message: [UInt8]) -> Int64? {
        guard message.starts(with: start) else { return nil }
        var id: Int64 = 0
        var index = start.count
        while index < message.count, case let digit = message[index] &- UInt8(ascii: "0"), digit < 10 {
            guard index < start.count + 16 else { return nil }  // 16 digits hold the largest id and never overflow
            id = id * 10 + Int64(digit)
            index += 1
        }
        return index > start.count && message[index...].starts(with: middle) ? id : nil
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
