import MusterProtocol
import NIOCore
import NIOSSL
import NIOTLS

/// One connection of a client: opens the session, assigns ids to calls, and delivers replies to callers.
final class ClientConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case opening
        case ready
        /// The server answers the calls that it has and accepts no new ones.
        case going
        case closed
    }

    /// The id of `session.open`.
    private static let openID: Int64 = 1

    private let core: ClientCore
    private var context: ChannelHandlerContext?
    private var phase = Phase.opening
    private var decoder = FrameDecoder(limit: Limits.frame)
    private var outbox = ByteBuffer()
    private var calls: [Int64: ClientCore.Pending] = [:]
    private var lastID = openID
    /// The last id that was passed to the socket.
    private var lastFlushedID = openID
    private var failure: RPCError?
    private var isFinalFailure = false
    private var lastHeard = ContinuousClock.now
    private var pingSent: ContinuousClock.Instant?
    private var ticking: RepeatedTask?
    private var openTimer: Scheduled<Void>?

    init(core: ClientCore) {
        self.core = core
    }

    var inFlightCount: Int { calls.count }
    var hasRoom: Bool {
        if case .ready = phase { calls.count < Limits.requestsInFlight.value } else { false }
    }

    // MARK: Opening and closing

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        // Send the key only after the server's certificate is verified.
        if case .plaintext = core.settings.security { openSession() }
        openTimer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(core.settings.connectTimeout)) {
            self.failure = RPCError(.unavailable, "\(self.core.settings) doesn't answer")
            self.close()
        }
        startKeepAlive(context)
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { handshakeCompleted(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func handshakeCompleted(_ context: ChannelHandlerContext) {
        let certificate = certificate(context)
        guard certificate?.isFor(core.settings.host) == true else {
            fail(TLSFault.wrongName(certificate?.names ?? []).error(at: core.settings))
            return
        }
        openSession()
    }

    private func certificate(_ context: ChannelHandlerContext) -> NIOSSLCertificate? {
        try? context.pipeline.syncOperations.nioSSL_peerCertificate()
    }

    private func openSession() {
        do {
            let body = try JSONEncoding.encode(OpenSession(key: core.settings.key))
            writeRequest(Self.openID, OpenSession.method, body, milliseconds: nil)
            flush()
        } catch {
            fail(RPCError(unsendable: error))
        }
    }

    /// Closes a connection that can't be opened, at this attempt or the next one.
    private func fail(_ error: RPCError) {
        failure = error
        isFinalFailure = true
        context?.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        openTimer?.cancel()
        ticking?.cancel()
        let wasOpening = isOpening
        phase = .closed
        core.retire(self)
        let lost = calls
        calls = [:]
        for (id, call) in lost.sorted(by: { $0.key < $1.key }) { lose(call, wasSent: id <= lastFlushedID) }
        if wasOpening {
            let error = failure ?? RPCError(.unavailable, "\(core.settings) closed the connection")
            core.connectFailed(error, isFinal: isFinalFailure)
        }
        context.fireChannelInactive()
    }

    private var isOpening: Bool { if case .opening = phase { true } else { false } }

    private func lose(_ call: ClientCore.Pending, wasSent: Bool) {
        if call.request.isSafe || !wasSent {
            core.attemptFailed(call, RPCError(.unavailable, "the connection was lost"), neverRan: !wasSent)
        } else {
            let error = RPCError(
                .unknown, "the connection was lost before the reply; the outcome of the call is unknown",
                details: ["outcome": "unknown"])
            core.finish(call, .failure(error))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if failure == nil, isOpening {
            let fault = TLSFault(error, certificate: certificate(context))
            failure =
                fault?.error(at: core.settings)
                ?? RPCError(.unavailable, "can't speak with \(core.settings): \(Dialer.reason(error))", cause: error)
            isFinalFailure = fault != nil
        }
        context.close(promise: nil)
    }

    @discardableResult
    func close() -> EventLoopFuture<Void> {
        guard let context else { return core.loop.nonisolated().makeSucceededVoidFuture() }
        context.close(promise: nil)
        return context.channel.closeFuture
    }

    // MARK: Sending

    func send(_ call: ClientCore.Pending) {
        lastID += 1
        calls[lastID] = call
        call.assignment = (self, lastID)
        let left = (call.request.deadline - .now) / .milliseconds(1)
        writeRequest(lastID, call.request.method, call.request.body, milliseconds: max(1, Int64(left)))
    }

    func cancel(_ id: Int64) {
        calls[id] = nil
        write { FrameEncoder.append(cancel: id, to: &$0) }
        core.roomAppeared()
    }

    private func writeRequest(_ id: Int64, _ method: String, _ body: [UInt8], milliseconds: Int64?) {
        let deadline = milliseconds.map { ",\"deadline_ms\":\($0)" } ?? ""
        let head = "{\"id\":\(id),\"method\":\"\(method)\"\(deadline),\"body\":"
        outbox.writeInteger(UInt8(0))
        // the client has checked the length against the frame limit
        outbox.writeInteger(UInt32(truncatingIfNeeded: head.utf8.count + body.count + 1))
        outbox.writeString(head)
        outbox.writeBytes(body)
        outbox.writeInteger(UInt8(ascii: "}"))
    }

    private func write(_ frame: (inout [UInt8]) -> Void) {
        var bytes: [UInt8] = []
        frame(&bytes)
        outbox.writeBytes(bytes)
    }

    func flush() {
        guard let context, outbox.readableBytes > 0 else { return }
        lastFlushedID = lastID
        context.writeAndFlush(wrapOutboundOut(outbox), promise: nil)
        outbox = ByteBuffer()
    }

    // MARK: Receiving

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now
        let bytes = unwrapInboundIn(data)
        // A TLS server answers plaintext with this alert; no frame begins like that.
        if isOpening, decoder.pending == 0, bytes.readableBytesView.first == 21 {
            return fail(TLSFault.serverSpeaksTLS.error(at: core.settings))
        }
        bytes.withUnsafeReadableBytes { decoder.append($0) }
        do {
            while let message = try decoder.next({ Array($0) }) { try receive(message) }
            if decoder.pending == 0 { decoder = FrameDecoder(limit: decoder.limit) }
        } catch {
            if isOpening, error is FrameError {
                let sentence = "\(core.settings) does not speak Muster's RPC: check the port"
                return fail(RPCError(.failedPrecondition, sentence, cause: error))
            }
            failure = RPCError(unreadable: error)
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        core.roomAppeared()
        flush()
        context.fireChannelReadComplete()
    }

    private func receive(_ message: [UInt8]) throws {
        if let id = ReplyScan.id(of: message), id != Self.openID { return reply(id, message) }
        let event = try message.withUnsafeBytes { bytes in
            try JSONReaders.shared.read(bytes) { try ServerEvent(try Envelope($0)) }
        }
        switch event {
        case .reply(Self.openID): opened()
        case .reply(let id): reply(id, message)
        case .error(let id, let error): refused(id, error)
        case .goaway(let lastID): goAway(lastID)
        case .ping(let number): write { FrameEncoder.append(pong: number, to: &$0) }
        case .pong: pingSent = nil
        }
    }

    private func reply(_ id: Int64, _ message: [UInt8]) {
        guard let call = calls.removeValue(forKey: id) else { return }
        core.finish(call, .success(message))
        closeIfGone()
    }

    private func refused(_ id: Int64, _ error: RPCError) {
        if id == Self.openID || (id == 0 && isOpening) {
            failure = error
            isFinalFailure = error.isFinalForSession
            close()
        } else if let call = calls.removeValue(forKey: id) {
            core.attemptFailed(call, error, neverRan: false)
            closeIfGone()
        }
    }

    private func opened() {
        guard isOpening else { return }
        phase = .ready
        openTimer?.cancel()
        core.opened(self)
    }

    /// The server runs no call after `lastID`, so those calls are sent elsewhere, repeatable or not.
    private func goAway(_ lastID: Int64) {
        guard !isOpening else { return }
        phase = .going
        core.retire(self)
        let elsewhere = calls.filter { $0.key > lastID }.sorted { $0.key < $1.key }
        for (id, call) in elsewhere {
            calls[id] = nil
            core.attemptFailed(call, RPCError(.unavailable, "the server is going away"), neverRan: true)
        }
        closeIfGone()
    }

    private func closeIfGone() {
        if case .going = phase, calls.isEmpty { close() }
    }

    // MARK: Keepalive

    private func startKeepAlive(_ context: ChannelHandlerContext) {
        let period = core.settings.keepAlive
        let tick = TimeAmount(period / 4)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        ticking = context.eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in me.value.tick(period) }
    }

    private func tick(_ period: Duration) {
        let now = ContinuousClock.now
        if let pingSent, now - pingSent > period {
            close()
        } else if pingSent == nil, now - lastHeard > period {
            pingSent = now
            write { FrameEncoder.append(ping: 1, to: &$0) }
            flush()
        }
    }
}
