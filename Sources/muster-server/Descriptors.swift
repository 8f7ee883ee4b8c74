import Glibc
import Logging
import MusterListener

/// What a server needs descriptors for, and how many connections are left where there are few.
///
/// Descriptors must never run out: libdispatch opens a file each second to see how its threads fare, and ends the
/// process where it can't. So a listener has places for so many connections as fit beside all else.
struct DescriptorPlan: Equatable {
    /// Open connections to each listener for callers.
    var connections: Int
    /// Those beyond, that are being told so; as many more are accepted and being closed.
    var surplus: Int
    /// Descriptors for all that is set.
    let needed: Int

    /// DNS, certificates, `/proc`, time zones, and what libraries open for a moment.
    static let reserve = 32
    /// libdispatch's own, and those of signals.
    private static let ofRuntime = 8
    /// Archives of exports are put together in files.
    private static let ofExports = 4
    /// A socket, the two ends of a pipe, and the socket of the next connection while the old one goes.
    private static let ofDatabaseConnection = 4
    /// With fewer, a listener can't keep strangers from shutting callers out.
    static let leastConnections = 8
    private static let maxSurplus = 64

    /// Whether fewer connections are taken than the settings say.
    let isLowered: Bool

    /// - Parameters:
    ///   - limit: descriptors that the process may have.
    ///   - open: those that it has already.
    ///   - ofEventLoops: those that event loops take.
    init(_ settings: Settings, limit: Int, open: Int, ofEventLoops: Int) throws {
        let listeners = 2
        // One more connection than are set, for proofs of keys; and the one that cancels.
        let ofDatabase = (settings.databaseConnections + 1) * Self.ofDatabaseConnection + 1
        let ofOperations = settings.opsHost == nil ? 0 : 1 + OpsServer.maxConnections
        let ofHeaders = settings.expectsProxyHeader ? listeners * Listener.maxWithoutProxyHeader : 0
        let fixed =
            open + ofEventLoops + Self.ofRuntime + Self.ofExports + Self.reserve + ofDatabase + ofOperations + listeners
            + ofHeaders
        needed = fixed + listeners * (settings.connections + 2 * Self.maxSurplus)
        let least = fixed + listeners * (Self.leastConnections + 2)
        guard limit >= least else {
            throw SettingsError(
                "the limit of open files is \(limit), and a server with these settings needs \(least), better \(needed): "
                    + "raise it (ulimit -Hn, LimitNOFILE of systemd, ulimits of Docker), or lower database.connections")
        }
        isLowered = limit < needed
        guard isLowered else {
            (connections, surplus) = (settings.connections, Self.maxSurplus)
            return
        }
        let places = (limit - fixed) / listeners
        surplus = max(1, min(Self.maxSurplus, places / 8))
        connections = min(settings.connections, places - 2 * surplus)
    }
}

extension Settings {
    /// Connections that a listener for callers has at once, whatever becomes of them.
    var places: Int {
        self.connections + 2 * surplusConnections + (self.expectsProxyHeader ? Listener.maxWithoutProxyHeader : 0)
    }

    /// Raises the limit of open files as far as it goes, and takes fewer connections where it isn't enough.
    mutating func fitDescriptors(_ logger: Logger) throws {
        let limit = Self.raisedDescriptorLimit()
        let plan = try DescriptorPlan(
            self, limit: limit, open: Self.openDescriptors, ofEventLoops: Listener.eventLoopDescriptors)
        if plan.isLowered {
            logger.warning(
                "The limit of open files is too low for connections.most: each listener takes fewer",
                metadata: [
                    "limit": .stringConvertible(limit), "needed": .stringConvertible(plan.needed),
                    "connections.most": .stringConvertible(self.connections),
                    "taken": .stringConvertible(plan.connections),
                ])
        }
        self.connections = plan.connections
        surplusConnections = plan.surplus
        self.unauthenticatedConnections = min(self.unauthenticatedConnections, self.connections)
    }

    private static func raisedDescriptorLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        let isRaised = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0
        return Int(clamping: isRaised ? raised.rlim_cur : limit.rlim_cur)
    }

    /// Those that were inherited count: they stay open.
    private static var openDescriptors: Int {
        guard let folder = opendir("/proc/self/fd") else { return 3 }
        defer { closedir(folder) }
        var count = 0
        while let entry = readdir(folder) { if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 } }
        return count - 1  // that of this folder
    }
}
