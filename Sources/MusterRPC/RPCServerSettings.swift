public import MusterListener
import MusterProtocol
import NIOCore

/// What an RPC server needs to know: where to listen, and which bounds to keep.
public struct RPCServerSettings: Sendable {
    /// Where it listens.
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
        /// Requests in flight on one connection; then frames are read until one more asks for work, which waits.
        public var requestsInFlight = Limits.requestsInFlight.value
        /// Bytes of answers that are unread or being made, over all connections; beyond, connections are cut.
        public var unreadAnswers = Limits.unreadAnswers.value
        /// The same of one connection; then its next call whose answer may be large waits.
        public var unreadAnswersPerConnection = Limits.unreadAnswersPerConnection.value
        /// Bytes that large answers which are being made may come to.
        public var answersInMaking = Limits.answersInMaking.value
        /// From connecting, TLS included, to the answer of `session.open`.
        public var open = Limits.openSeconds.duration
        /// Without a request.
        public var idle = Limits.idleSeconds.duration
        /// From the first byte of a frame to its last: who sends slower than that holds memory for nothing.
        public var frame = Limits.frameSeconds.duration
        /// Of silence, until the server asks for a sign of life.
        public var silence = Limits.silenceSeconds.duration
        /// Until that sign has come.
        public var pong = Limits.pongSeconds.duration
        /// That a peer may leave its answers unread.
        public var unread = Limits.unreadSeconds.duration
        /// Bytes of answers that wait for one peer to read them; more ends the connection.
        public var unreadBytes = Limits.unreadBytes.value
        /// From the beginning of a shutdown until no more connections are accepted: for balancers to send them
        /// elsewhere.
        public var shutdownDelay: Duration = .zero
        /// From then on until what is still in flight is cut.
        public var drain = Limits.drainSeconds.duration
        /// After the last frame, for the peer to read it: a socket closed with bytes unread would take it away again.
        public var linger: Duration = .milliseconds(500)
        /// Pings, pongs, wrong messages and cancels beyond one a request, together in `floodWindow`; one more ends the
        /// connection.
        public var flood = Limits.surplusFrames.value
        /// What `flood` is counted over.
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
