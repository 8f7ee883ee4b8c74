/// The content of a frame. A body is a view into the reader's table: decode it before the next read.
public enum Envelope {
    /// A call.
    case request(id: Int64, method: String, deadlineMilliseconds: Int64?, body: JSONValue?)
    /// The reply to a call.
    case reply(id: Int64, body: JSONValue)
    /// The error of a call.
    case error(id: Int64, RPCError)
    /// The caller of a call no longer waits for its reply.
    case cancel(id: Int64)
    /// The server answers the calls up to this one, then closes the connection.
    case goaway(lastID: Int64, reason: String)
    /// Requests a pong.
    case ping(Int64)
    /// Answers a ping.
    case pong(Int64)
}

/// Why a message is not an envelope, with its id when that is readable, so that it can be answered.
public struct EnvelopeError: Error, Equatable, CustomStringConvertible {
    /// The id of the call.
    public var id: Int64?
    /// The problem.
    public var reason: JSONError

    /// The problem.
    public var description: String { reason.description }
}

extension Envelope {
    /// The range of ids.
    public static let largestID: Int64 = 1 << 53

    /// Decodes an envelope. Refuses a message of two kinds, which two implementations could interpret differently.
    public init(_ message: JSONValue) throws(EnvelopeError) {
        var id: Int64?
        do {
            id = try message.field("id").map { value throws(JSONError) in try Self.id(value) }
            self = try Self.read(message, id: id)
        } catch {
            throw EnvelopeError(id: id, reason: error)
        }
    }

    private static func read(_ message: JSONValue, id: Int64?) throws(JSONError) -> Envelope {
        let method = message.field("method")
        let body = message.field("body")
        let error = message.field("error")
        let signs = (message.field("cancel"), message.field("goaway"), message.field("ping"), message.field("pong"))
        switch (method, body, error, signs) {
        case (let method?, let body, nil, (nil, nil, nil, nil)):
            return try request(id: need(id), method, message.field("deadline_ms"), body)
        case (nil, let body?, nil, (nil, nil, nil, nil)):
            return .reply(id: try need(id), body: try object(body))
        case (nil, nil, let error?, (nil, nil, nil, nil)): return .error(id: try need(id), try failure(error))
        case (nil, nil, nil, (let cancel?, nil, nil, nil)): return .cancel(id: try Self.id(cancel))
        case (nil, nil, nil, (nil, let goaway?, nil, nil)): return try self.goaway(goaway)
        case (nil, nil, nil, (nil, nil, let ping?, nil)): return .ping(try ping.integer())
        case (nil, nil, nil, (nil, nil, nil, let pong?)): return .pong(try pong.integer())
        case (nil, nil, nil, (nil, nil, nil, nil)):
            throw JSONError(.malformed, "the message has none of the fields that begin a message of this protocol")
        default: throw JSONError(.malformed, "the message is of two kinds at once")
        }
    }

    private static func request(
        id: Int64, _ method: JSONValue, _ deadline: JSONValue?, _ body: JSONValue?
    ) throws(JSONError) -> Envelope {
        var milliseconds: Int64?
        if let deadline {
            let value: Int64 = try deadline.integer()
            guard value >= 1 else { throw deadline.refused("must be at least 1") }
            milliseconds = value
        }
        if let body { _ = try object(body) }
        return .request(id: id, method: try method.string(), deadlineMilliseconds: milliseconds, body: body)
    }

    private static func goaway(_ value: JSONValue) throws(JSONError) -> Envelope {
        guard let last = try object(value).field("last_id") else { throw JSONError(missing: "last_id", at: "goaway") }
        return .goaway(lastID: try id(last), reason: try value.field("reason")?.string() ?? "")
    }

    private static func failure(_ value: JSONValue) throws(JSONError) -> RPCError {
        do {
            return try value.decode(RPCError.self)
        } catch let error as JSONError {
            throw error
        } catch {
            throw value.refused("can't be read")
        }
    }

    private static func object(_ value: JSONValue) throws(JSONError) -> JSONValue {
        guard value.kind == .object else { throw value.mismatch("an object") }
        return value
    }

    private static func id(_ value: JSONValue) throws(JSONError) -> Int64 {
        let id: Int64 = try value.integer()
        guard id >= 0 else { throw value.refused("must not be negative") }
        return id
    }

    private static func need(_ id: Int64?) throws(JSONError) -> Int64 {
        guard let id else { throw JSONError(missing: "id", at: "") }
        return id
    }
}
