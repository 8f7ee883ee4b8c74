public import MusterListener
import MusterProtocol
import NIOCore

/// The address and the bounds of an RPC server.
public struct RPCServerSettings: Sendable {
    /// The address and TLS.
    public var listener: ListenerSettings
    /// The bounds; tests set shorter ones.
    public var bounds: Bounds

    /// Settings with the bounds of `Limits`.
    public init(listener: ListenerSettings, bounds: Bounds = Bounds()) {
        self.listener = listener
        self.bounds = bounds
    }
}

extension RPCServerSettings {
    /// The bounds of the server and its connections. `Limits` has the values that callers see.
    public struct Bounds: Sendable {
        /// Open connections; one more is refused.
        public var connections = Limits.connections.value
        /// Unauthenticated connections among them; one more ends the oldest.
        public var unauthenticatedConnections = Limits.unauthenticatedConnections.value
        /// Connections beyond the bound that are being refused with an error; one more is closed without one.
        public var surplusConnections = 64
        /// Open connections from one address; 0 is no bound.
        public var connectionsPerAddress = 0
        /// Requests in flight on one connection. At the bound, frames are read until one more request arrives, which
        /// waits.
        public var requestsInFlight = Limits.requestsInFlight.value
        /// Bytes of replies that are unread or being made, over all connections; beyond, connections are cut.
        public var unreadAnswers = Limits.unreadAnswers.value
        /// The same for one connection; beyond, its next call with a possibly large reply waits.
        public var unreadAnswersPerConnection = Limits.unreadAnswersPerConnection.value
        /// Bytes reserved for large replies that are being made.
        public var answersInMaking = Limits.answersInMaking.value
        /// Time from connecting, TLS included, to the reply to `session.open`.
        public var open = Limits.openSeconds.duration
        /// Time without a request.
        public var idle = Limits.idleSeconds.duration
        /// Time from the first byte of a frame to its last: a slower sender holds memory for nothing.
        public var frame = Limits.frameSeconds.duration
        /// Time of silence until the server sends a ping.
        public var silence = Limits.silenceSeconds.duration
        /// Time until the pong must arrive.
        public var pong = Limits.pongSeconds.duration
        /// Time that a peer may leave its replies unread.
        public var unread = Limits.unreadSeconds.duration
        /// Bytes of replies that wait for one peer to read them; more ends the connection.
        public var unreadBytes = Limits.unreadBytes.value
        /// Time from the beginning of a shutdown until accepting stops, for load balancers to choose other servers.
        public var shutdownDelay: Duration = .zero
        /// Time from then until requests in flight are cut.
        public var drain = Limits.drainSeconds.duration
        /// Time for the peer to read the last frame: a socket closed with unread bytes would discard it.
        public var linger: Duration = .milliseconds(500)
        /// Pings, pongs, invalid messages, and cancels beyond one a request, together in `floodWindow`; one more ends
        /// the connection.
        public var flood = Limits.surplusFrames.value
        /// The window of `flood`.
        public var floodWindow: Duration = .seconds(30)

        /// The bounds of `Limits`.
        public init() {}

        /// How often a connection checks its timers: often enough for the shortest of them.
        var tick: Duration {
            let shortest = min(open, idle, frame, silence, pong, unread)
            return min(.seconds(1), max(.milliseconds(10), shortest / 4))
        }
    }
}
