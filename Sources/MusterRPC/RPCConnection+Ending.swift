import Logging
import MusterHandlers
import MusterListener
import MusterProtocol
import NIOCore

extension RPCConnection {
    /// Answers requests in flight, begins no more, and then closes.
    func goAway(_ reason: String) {
        if phase == .ended { return }
        guard !isClosing else { return }
        isClosing = true
        outbox.append(goawayAfter: lastID, reason: reason)
        flushSoon()
    }

    func drain() { goAndEnd("shutting down") }

    /// As `goAway`, but closes at once if nothing is in flight.
    func goAndEnd(_ reason: String) {
        goAway(reason)
        endIfIdle()
    }

    /// Closes a connection that must end, as soon as nothing is in flight. A connection without a session closes at
    /// once.
    func endIfIdle() {
        guard inFlight.isEmpty else { return }
        if phase == .opening { return }
        end()
    }

    /// Ends the connection of a key that is no longer valid. Requests in flight get no reply: their effect is not known
    /// here, and the caller must ask again with a valid key.
    func endSession(where isMeant: (Session) -> Bool, reason: String) {
        guard let session, isMeant(session) else { return }
        goAway(reason)
        end()
    }

    /// Ends the connection for an error of its peer.
    func fail(_ error: RPCError, id: Int64) {
        if phase == .ended { return }
        server.log.info("Connection refused", ["code": "\(error.code.rawValue)", "reason": "\(error.message)"])
        outbox.append(replyTo: id, error: error)
        end()
    }

    /// Sends pending frames and closes. The peer gets a moment to read them: when a socket with unread bytes is closed,
    /// the system discards what was sent.
    func end() {
        guard let context, !hasEnded else { return }
        limitUnauthenticated()
        phase = .ended
        timers.endedSince = .now
        inFlight.cancelAll()
        let loop = context.eventLoop.assumeIsolated()
        let linger = TimeAmount(server.bounds.linger)
        let written = context.eventLoop.makePromise(of: Void.self)
        write(context, promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in
            guard let context = self.context else { return }
            if self.inputEnded { return context.close(promise: nil) }
            context.close(mode: .output, promise: nil)
            loop.scheduleTask(in: linger) { self.context?.close(promise: nil) }
        }
        takeFrames()  // reads on, to throw away what comes and to see the peer close
    }

    /// Bounds the end of an unauthenticated connection: pending writes wait for the TLS handshake, which the peer may
    /// never finish.
    private func limitUnauthenticated() {
        guard phase == .unopened, let context else { return }
        let patience = max(server.bounds.linger, created + server.bounds.open - .now)
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(patience)) { self.abort() }
    }

    private var hasEnded: Bool { phase == .ended }

    /// Closes now, whatever is in flight.
    func abort() {
        context?.close(promise: nil)
    }
}
