public import MusterListener
import MusterProtocol

/// The address and the bounds of an HTTP server.
public struct HTTPServerSettings: Sendable {
    /// The address and TLS.
    public var listener: ListenerSettings
    /// The bounds; tests set shorter ones.
    public var bounds: Bounds

    /// Settings with the bounds of `Limits`.
    public init(listener: ListenerSettings, bounds: Bounds = Bounds()) {
        (self.listener, self.bounds) = (listener, bounds)
    }
}

extension HTTPServerSettings {
    /// The bounds of the server and its connections. `Limits` has the values that callers see.
    public struct Bounds: Sendable {
        /// Open connections; one more is refused.
        public var connections = Limits.connections.value
        /// Unauthenticated connections among them; one more ends the oldest.
        public var unauthenticatedConnections = Limits.unauthenticatedConnections.value
        /// Connections beyond the bound that are being refused with 503; one more is closed without a response.
        public var surplusConnections = 64
        /// Open connections from one address; 0 is no bound.
        public var connectionsPerAddress = 0
        /// Bytes of one body.
        public var body = Limits.restBody.value
        /// Bytes of all bodies together whose callers are not authenticated yet.
        public var unauthenticatedBodies = Limits.restUnauthenticatedBodies.value
        /// Bytes of all other bodies together.
        public var bodies = Limits.restBodies.value
        /// Bytes of responses that are unread or being made, over all connections; beyond, connections are cut.
        public var unreadAnswers = Limits.restUnreadAnswers.value
        /// Bytes reserved for chunks of archives that are being fetched.
        public var answersInMaking = Limits.answersInMaking.value
        /// Header fields of one request.
        public var headerFields = Limits.restHeaderFields.value
        /// Bytes of one header field, and of the request's target.
        public var headerField = Limits.restHeaderField.value
        /// Bytes of all header fields together.
        public var header = Limits.restHeader.value
        /// Time from connecting, TLS included, or from the first byte of a later request, to the end of its header.
        public var head = Limits.restHeadSeconds.duration
        /// Time from asking for a body to its end.
        public var bodyTime = Limits.restBodySeconds.duration
        /// Time from asking for a body until `bodyRate` is enforced.
        public var bodyPatience = Limits.restBodyPatienceSeconds.duration
        /// Minimum rate of a body, in bytes a second.
        public var bodyRate = Limits.restBodyRate.value
        /// Time between a response and the next request.
        public var idle = Limits.restIdleSeconds.duration
        /// Time that a client may take to read 64 KiB of a response.
        public var unread = Limits.unreadSeconds.duration
        /// Time for a request in flight after its client has closed its half. The client may still read, but most have
        /// gone.
        public var halfClosed = Limits.restHalfClosedSeconds.duration
        /// Time for the client to read the last response: a socket closed with unread bytes would discard it.
        public var linger: Duration = .seconds(1)
        /// Time from the beginning of a shutdown until accepting stops, for load balancers to choose other servers.
        public var shutdownDelay: Duration = .zero
        /// Time from then until requests in flight are cut.
        public var drain = Limits.drainSeconds.duration

        /// The bounds of `Limits`.
        public init() {}

        /// How often a connection checks its timers: often enough for the shortest of them.
        var tick: Duration {
            let shortest = min(head, bodyTime, bodyPatience, idle, unread)
            return min(.seconds(1), max(.milliseconds(10), shortest / 4))
        }
    }
}
