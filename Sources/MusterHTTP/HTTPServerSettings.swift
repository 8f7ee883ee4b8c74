public import MusterListener
import MusterProtocol

/// Where an HTTP server listens and which bounds it keeps.
public struct HTTPServerSettings: Sendable {
    /// Where it listens.
    public var listener: ListenerSettings
    /// The bounds; tests set shorter ones.
    public var bounds: Bounds

    /// Settings with the bounds of `Limits`.
    public init(listener: ListenerSettings, bounds: Bounds = Bounds()) {
        (self.listener, self.bounds) = (listener, bounds)
    }
}

extension HTTPServerSettings {
    /// What a connection may take. `Limits` has the values that callers are told.
    public struct Bounds: Sendable {
        /// Open connections; one more is refused.
        public var connections = Limits.connections.value
        /// Those among them that are unauthenticated; one more ends the oldest.
        public var unauthenticatedConnections = Limits.unauthenticatedConnections.value
        /// Those beyond, that are being told so; one more is closed without a word.
        public var surplusConnections = 64
        /// Open connections from one address; 0 is no bound.
        public var connectionsPerAddress = 0
        /// Bytes of one body.
        public var body = Limits.restBody.value
        /// Bytes of all bodies together whose callers are not authenticated yet.
        public var unauthenticatedBodies = Limits.restUnauthenticatedBodies.value
        /// Bytes of all other bodies together.
        public var bodies = Limits.restBodies.value
        /// Bytes of answers that are not read yet or are being made, over all connections; beyond, connections are cut.
        public var unreadAnswers = Limits.restUnreadAnswers.value
        /// Bytes that chunks of archives which are being fetched may come to.
        public var answersInMaking = Limits.answersInMaking.value
        /// Header fields of one request.
        public var headerFields = Limits.restHeaderFields.value
        /// Bytes of one header field, and of the request's target.
        public var headerField = Limits.restHeaderField.value
        /// Bytes of all header fields together.
        public var header = Limits.restHeader.value
        /// From connecting, TLS included, or from the first byte of a later request, until its header has come.
        public var head = Limits.restHeadSeconds.duration
        /// From asking for a body until all of it has come.
        public var bodyTime = Limits.restBodySeconds.duration
        /// From asking for a body until it is expected to come at `bodyRate`.
        public var bodyPatience = Limits.restBodyPatienceSeconds.duration
        /// Bytes of a body in a second, at the least.
        public var bodyRate = Limits.restBodyRate.value
        /// Between an answer and the next request.
        public var idle = Limits.restIdleSeconds.duration
        /// That a client may take for 64 KiB of an answer.
        public var unread = Limits.unreadSeconds.duration
        /// What a request in flight is given after its client has closed its half: it may still be reading. Most have
        /// just gone.
        public var halfClosed = Limits.restHalfClosedSeconds.duration
        /// After the last answer, for the client to read it: a socket closed with bytes unread would take it away
        /// again.
        public var linger: Duration = .seconds(1)
        /// From the beginning of a shutdown until no more connections are accepted: for balancers to send them
        /// elsewhere.
        public var shutdownDelay: Duration = .zero
        /// From then on until what is still in flight is cut.
        public var drain = Limits.drainSeconds.duration

        /// The bounds of `Limits`.
        public init() {}

        /// How often a connection looks at its clocks: often enough for the shortest of them.
        var tick: Duration {
            let shortest = min(head, bodyTime, bodyPatience, idle, unread)
            return min(.seconds(1), max(.milliseconds(10), shortest / 4))
        }
    }
}
