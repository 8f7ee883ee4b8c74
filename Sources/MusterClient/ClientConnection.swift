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
    /// The memory that is kept for calls to come.
    private static let keptBytes = 1 << 20

    private let core: ClientCore
    private var context: ChannelHandlerContext?
    private var phase = Phase.opening
    private var decoder = FrameDecoder(limit: Limits.frame)
    private var outbox: [UInt8] = []
    private var calls = CallTable()
    private var lastID = openID
    /// The last id that was passed to the socket.
    private var lastFlushedID = openID
    private var failure: RPCError?
    private var isFinalFailure = false
    private var lastHeard = NIODeadline.now()
    private var pingSent: NIODeadline?
    private var ticking: RepeatedTask?
    private var openTimer: Scheduled<Void>?

    init(core: ClientCore) {
        self.core = core
    }

    var inFlightCount: Int { calls.count }
    var allCalls: [PendingCall] { calls.all().map(\.call) }
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
            FrameEncoder.append(
                requestID: Self.openID, method: OpenSession.method, deadlineMilliseconds: nil, body: body, to: &outbox)
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
        core.lost(self)
        let lost = calls.all()
        calls = CallTable()
        for (id, call) in lost { lose(call, wasSent: id <= lastFlushedID) }
        if wasOpening {
            let error = failure ?? RPCError(.unavailable, "\(core.settings) closed the connection")
            core.connectFailed(error, isFinal: isFinalFailure)
        }
        context.fireChannelInactive()
    }

    private var isOpening: Bool { if case .opening = phase { true } else { false } }

    private func lose(_ call: PendingCall, wasSent: Bool) {
        if call.isSafe || !wasSent {
            core.attemptFailed(call, RPCError(.unavailable, "the connection was lost"), neverRan: !wasSent)
        } else {
            let error = RPCError(
                .unknown, "the connection was lost before the reply; the outcome of the call is unknown",
                details: ["outcome": "unknown"])
            call.finish(.failure(error))
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

    func send(_ call: PendingCall, _ now: NIODeadline) {
        lastID = calls.id(after: lastID)
        calls.add(call, id: lastID)
        call.state = .sent(self, id: lastID)
        let left = (call.deadline - now).nanoseconds / 1_000_000
        FrameEncoder.append(
            requestID: lastID, method: call.method, deadlineMilliseconds: max(1, left), body: call.body, to: &outbox)
    }

    func cancel(_ id: Int64) {
        _ = calls.remove(id)
        FrameEncoder.append(cancel: id, to: &outbox)
        core.roomAppeared()
    }

    /// Sends what was written since the last time, at once.
    func flush() {
        guard let context, !outbox.isEmpty else { return }
        lastFlushedID = lastID
        let bytes = context.channel.allocator.buffer(bytes: outbox)
        outbox.removeAll(keepingCapacity: outbox.capacity <= Self.keptBytes)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    // MARK: Receiving

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastHeard = .now()
        let bytes = unwrapInboundIn(data)
        // A TLS server answers plaintext with this alert; no frame begins like that.
        if isOpening, decoder.pending == 0, bytes.readableBytesView.first == 21 {
            return fail(TLSFault.serverSpeaksTLS.error(at: core.settings))
        }
        do {
            try bytes.withUnsafeReadableBytes { try receive($0) }
        } catch {
            if isOpening, error is FrameError {
                let sentence = "\(core.settings) does not speak Muster's RPC: check the port"
                return fail(RPCError(.failedPrecondition, sentence, cause: error))
            }
            failure = RPCError(unreadable: error)
            context.close(promise: nil)
        }
    }

    /// Takes whole messages from where they are; only what is cut goes into the decoder.
    private func receive(_ chunk: UnsafeRawBufferPointer) throws {
        var rest = chunk
        while decoder.pending == 0, let header = try FrameHeader(rest, limit: decoder.limit) {
            let end = FrameHeader.byteCount + header.length
            guard rest.count >= end else { break }
            try receive(message: .init(rebasing: rest[FrameHeader.byteCount..<end]))
            rest = .init(rebasing: rest[end...])
        }
        guard !rest.isEmpty else { return }
        decoder.append(rest)
        while let message = try decoder.next({ Array($0) }) { try message.withUnsafeBytes { try receive(message: $0) } }
        if decoder.pending == 0 { decoder = FrameDecoder(limit: decoder.limit) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        core.roomAppeared()
        flush()
        context.fireChannelReadComplete()
    }

    private func receive(message: UnsafeRawBufferPointer) throws {
        if let (id, _) = ReplyScan.start(of: message), id != Self.openID { return reply(id, message) }
        let event = try JSONReaders.shared.read(message) { try ServerEvent(try Envelope($0)) }
        switch event {
        case .reply(Self.openID): opened()
        case .reply(let id): reply(id, message)
        case .error(let id, let error): refused(id, error)
        case .goaway(let lastID): goAway(lastID)
        case .ping(let number): FrameEncoder.append(pong: number, to: &outbox)
        case .pong: pingSent = nil
        }
    }

    /// The caller's task decodes the reply, so that a long one holds nobody up.
    private func reply(_ id: Int64, _ message: UnsafeRawBufferPointer) {
        guard let call = calls.remove(id) else { return }
        call.finish(.success(Array(message)))
        closeIfGone()
    }

    private func refused(_ id: Int64, _ error: RPCError) {
        if id == Self.openID || (id == 0 && isOpening) {
            failure = error
            isFinalFailure = error.isFinalForSession
            close()
        } else if let call = calls.remove(id) {
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
        core.leave(self)
        for (id, call) in calls.all(after: lastID) {
            _ = calls.remove(id)
            core.attemptFailed(call, RPCError(.unavailable, "the server is going away"), neverRan: true)
        }
        closeIfGone()
    }

    private func closeIfGone() {
        if case .going = phase, calls.count == 0 { close() }
    }

    // MARK: Keepalive

    private func startKeepAlive(_ context: ChannelHandlerContext) {
        let period = core.settings.keepAlive
        let tick = TimeAmount(period / 4)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        ticking = context.eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in me.value.tick(period) }
    }

    private func tick(_ period: Duration) {
        let (now, period) = (NIODeadline.now(), TimeAmount(period))
        if let pingSent, now - pingSent > period {
            close()
        } else if pingSent == nil, now - lastHeard > period {
            pingSent = now
            FrameEncoder.append(ping: 1, to: &outbox)
            flush()
        }
    }
}
