public import Logging
public import MusterProtocol
import NIOCore
import NIOPosix

/// Calls Muster. One client is enough for a process: it connects when it is first needed, shares its connections among all
/// callers, and finds its way back after a restart of the server.
///
/// A call that is safe to repeat is repeated, until its deadline, where the server is away, busy or unsure. One that is not
/// is repeated only where it was certainly never run; else the caller is told that its outcome is unknown.
public final class MusterClient: Sendable {
    private let settings: MusterClientSettings
    private let link: ClientLink

    /// A client; it does nothing until the first call.
    public init(_ settings: MusterClientSettings, logger: Logger = Logger(label: "muster.client")) {
        self.settings = settings
        link = ClientLink(settings: settings, loop: MultiThreadedEventLoopGroup.singleton.next(), logger: logger)
    }

    deinit { link.post(.close(nil)) }

    /// Makes a call and waits for its reply: `deadline` at most, connecting and repeats included.
    ///
    /// Whatever is thrown is an `RPCError`. The signature doesn't say so, since every closure that calls this would have to.
    public func send<C: Call>(_ call: C, deadline: Duration? = nil) async throws -> C.Reply {
        let body: [UInt8]
        do { body = try JSONEncoding.encode(call) } catch { throw RPCError(unsendable: error) }
        let message = try await roundTrip(C.method, body, isSafe: call.isSafeToRepeat, deadline)
        return try Self.read(message) { try JSONDecoding.decode(C.Reply.self, from: $0) }
    }

    /// Makes a call that is given in JSON, an object; answers the JSON of its reply. Throws as `send` does.
    public func call(method: String, bodyJSON: [UInt8], deadline: Duration? = nil) async throws -> [UInt8] {
        guard !method.isEmpty, method.utf8.allSatisfy(Self.isOfMethodName) else {
            throw RPCError(.unimplemented, .unknownMethod, "there is no method of this name")
        }
        let body: [UInt8]
        // Read and written again, so that nothing but one object gets into the envelope.
        do { body = try JSONReader().read(bodyJSON) { RawJSON($0).bytes } } catch { throw RPCError(unsendable: error) }
        let isSafe = allCalls.contains { $0.method == method && $0 is any ReadingCall.Type }
        let message = try await roundTrip(method, body, isSafe: isSafe, deadline)
        return try Self.read(message) { RawJSON($0).bytes }
    }

    /// Ends the connections. Calls under way fail, and so does every later one.
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
        let ticket = link.newTicket()
        let request = Request(
            method: method, body: body, isSafe: isSafe, deadline: .now + (deadline ?? settings.deadline))
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                link.post(.call(ticket, request, continuation))
                // A cancel that came before the call found nothing to cancel.
                if Task.isCancelled { link.post(.cancel(ticket)) }
            }
        } onCancel: {
            link.post(.cancel(ticket))
        }
        return try result.get()
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
    /// What the caller gave can't go over the wire.
    init(unsendable error: any Error) {
        self =
            (error as? JSONError).map(RPCError.init)
            ?? RPCError(.invalidArgument, .malformed, "the call can't be sent", cause: error)
    }

    /// The server answered something that this version doesn't understand.
    init(unreadable error: (any Error)?) {
        self.init(.internal, "the server's reply can't be understood", cause: error)
    }
}
