public import Logging
public import MusterProtocol
import NIOCore
import NIOPosix

/// A client of Muster. One is enough for a process: it connects on first use, shares its connections among all callers,
/// and reconnects after a restart of the server.
///
/// Many calls in flight cost least: those that tasks make at the same time leave in one write. A call goes to the
/// connection with the fewest in flight. When a connection ends, the others go on, and it is replaced.
///
/// Until its deadline, it retries a call that is safe to repeat when the server is unavailable, busy or unsure. It
/// retries other calls only when they certainly did not run; else the caller gets the error that the outcome is
/// unknown.
public final class MusterClient: Sendable {
    private let settings: MusterClientSettings
    private let link: ClientLink

    /// Makes a client; it does nothing until the first call.
    public init(_ settings: MusterClientSettings, logger: Logger = Logger(label: "muster.client")) {
        self.settings = settings
        link = ClientLink(settings: settings, loop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
    }

    deinit { link.post(.close(nil)) }

    /// Makes a call and waits for its reply, at most for `deadline`, which includes connecting and retries.
    ///
    /// Throws only `RPCError`. The signature does not say so, because each closure around a call would have to.
    public func send<C: Call>(_ call: C, deadline: Duration? = nil) async throws -> C.Reply {
        var body: [UInt8] = []
        body.reserveCapacity(256)
        do { try call.append(to: &body) } catch { throw RPCError(unsendable: error) }
        let message = try await roundTrip(C.method, body, isSafe: call.isSafeToRepeat, deadline)
        if let reply = message.withUnsafeBytes({ Self.plainReply(to: C.self, $0) }) { return reply }
        return try Self.read(message) { try JSONDecoding.decode(C.Reply.self, from: $0) }
    }

    /// Makes a call given as a JSON object; returns the JSON of its reply. Throws like `send`.
    public func call(method: String, bodyJSON: [UInt8], deadline: Duration? = nil) async throws -> [UInt8] {
        guard !method.isEmpty, method.utf8.allSatisfy(Self.isOfMethodName) else {
            throw RPCError(.unimplemented, .unknownMethod, "unknown method")
        }
        let body: [UInt8]
        // Decoded and encoded again, so that the envelope contains exactly one object.
        do { body = try JSONReader().read(bodyJSON) { RawJSON($0).bytes } } catch { throw RPCError(unsendable: error) }
        let isSafe = allCalls.contains { $0.method == method && $0 is any ReadingCall.Type }
        let message = try await roundTrip(method, body, isSafe: isSafe, deadline)
        return try Self.read(message) { RawJSON($0).bytes }
    }

    /// Closes the connections. Calls in flight fail, as does each later one.
    public func close() async {
        await withCheckedContinuation { link.post(.close($0)) }
    }

    // MARK: Round trip

    private func roundTrip(
        _ method: String, _ body: [UInt8], isSafe: Bool, _ deadline: Duration?
    ) async throws(RPCError) -> [UInt8] {
        // The envelope takes 80 bytes and the method's name.
        guard body.count + method.utf8.count + 80 <= Limits.frame.value else {
            throw RPCError(
                .resourceExhausted, .tooLong, limit: Limits.frame,
                "the call is longer than a frame of \(Limits.frame.described)")
        }
        let time = TimeAmount(deadline ?? settings.deadline)
        let call = PendingCall(method: method, body: body, isSafe: isSafe, deadline: .now() + time)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                call.answer = continuation
                link.post(.call(call))
                // Handles a cancellation that came before the call was sent.
                if Task.isCancelled { link.post(.cancel(call)) }
            }
        } onCancel: {
            link.post(.cancel(call))
        }
        return try result.get()
    }

    /// The reply in the form in which our server writes it; nil in another form, and for calls without an own coding.
    private static func plainReply<C: Call>(to call: C.Type, _ message: UnsafeRawBufferPointer) -> C.Reply? {
        guard let (_, start) = ReplyScan.start(of: message) else { return nil }
        var text = PlainJSON(.init(rebasing: message[start...]))
        guard let reply = C.reply(from: &text), text.take("}"), text.isAtEnd else { return nil }
        return reply
    }

    private static func read<R>(_ message: [UInt8], _ body: (JSONValue) throws -> R) throws(RPCError) -> R {
        do {
            return try message.withUnsafeBytes { bytes in
                try JSONReaders.shared.read(bytes) { message in
                    guard case .reply(_, let value) = try Envelope(message) else { throw RPCError(unreadable: nil) }
                    return try body(value)
                }
            }
        } catch {
            throw RPCError(unreadable: error)
        }
    }

    private static func isOfMethodName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension RPCError {
    /// The caller's value can't be encoded.
    init(unsendable error: any Error) {
        self =
            (error as? JSONError).map(RPCError.init)
            ?? RPCError(.invalidArgument, .malformed, "the call can't be encoded", cause: error)
    }

    /// The server's reply can't be decoded by this version.
    init(unreadable error: (any Error)?) {
        self.init(.internal, "the server's reply can't be decoded; is the client older than the server?", cause: error)
    }
}
