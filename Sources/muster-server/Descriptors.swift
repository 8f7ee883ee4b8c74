import Glibc
import Logging
import MusterListener

/// The descriptors that a server needs, and the number of connections that fit if there are too few.
///
/// Descriptors must never run out: libdispatch opens a file each second to check on its threads, and ends the process
/// if it can't. So listeners take only as many connections as fit beside all other needs.
struct DescriptorPlan: Equatable {
    /// Open connections to each listener for callers.
    var connections: Int
    /// Connections beyond those that are being refused with an error; as many more are accepted and being closed.
    var surplus: Int
    /// Descriptors that the settings need in full.
    let needed: Int

    /// For DNS, certificates, `/proc`, time zones, and files that libraries open briefly.
    static let reserve = 32
    /// For libdispatch and signals.
    private static let ofRuntime = 8
    /// For the files in which archives of exports are assembled.
    private static let ofExports = 4
    /// A socket, two ends of a pipe, and the socket of the next connection while the old one closes.
    private static let ofDatabaseConnection = 4
    /// With fewer, unauthenticated connections could shut callers out of a listener.
    static let leastConnections = 8
    private static let maxSurplus = 64

    /// Whether the bounds are lower than the settings.
    let isLowered: Bool

    /// - Parameters:
    ///   - limit: the limit of the process.
    ///   - open: descriptors that are open already.
    ///   - ofEventLoops: descriptors of the event loops.
    init(_ settings: Settings, limit: Int, open: Int, ofEventLoops: Int) throws {
        let listeners = 2
        // One connection beyond the settings checks keys; one more descriptor is for cancels.
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
    /// Connections that a listener for callers has at once, in any state.
    var places: Int {
        self.connections + 2 * surplusConnections + (self.expectsProxyHeader ? Listener.maxWithoutProxyHeader : 0)
    }

    /// Raises the limit of open files to its maximum, and lowers the bounds of connections if that is not enough.
    mutating func fitDescriptors(_ logger: Logger) throws {
        let limit = Self.raisedDescriptorLimit()
        let plan = try DescriptorPlan(
            self, limit: limit, open: Self.openDescriptors, ofEventLoops: Listener.eventLoopDescriptors)
        if plan.isLowered {
            logger.warning(
                "The limit of open files is too low for connections.max: each listener takes fewer",
                metadata: [
                    "limit": .stringConvertible(limit), "needed": .stringConvertible(plan.needed),
                    "connections.max": .stringConvertible(self.connections),
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

    /// Includes inherited descriptors, since they stay open.
    private static var openDescriptors: Int {
        guard let folder = opendir("/proc/self/fd") else { return 3 }
        defer { closedir(folder) }
        var count = 0
        while let entry = readdir(folder) { if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 } }
        return count - 1  // that of this folder
    }
}
