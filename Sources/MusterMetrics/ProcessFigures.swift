#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The process's use of resources, as Linux reports it.
public struct ProcessFigures: Sendable {
    /// Resident memory in bytes; 0 if the system does not report it.
    public var residentBytes = 0
    /// CPU time since the start.
    public var cpuSeconds = 0.0
    /// Open files and sockets; 0 if the system does not report it.
    public var openFiles = 0

    /// Reads the current values.
    public static var now: ProcessFigures {
        var figures = ProcessFigures()
        let pages = read("/proc/self/statm").split(separator: " ")
        if pages.count > 1, let resident = Int(pages[1]) { figures.residentBytes = resident * Int(getpagesize()) }
        var usage = rusage()
        if getrusage(RUSAGE_SELF.rawValue, &usage) == 0 {
            figures.cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
        }
        figures.openFiles = entries(of: "/proc/self/fd")
        return figures
    }

    /// Seconds since 1970.
    public static var time: Double {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1_024)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func entries(of folder: String) -> Int {
        guard let opened = opendir(folder) else { return 0 }
        defer { closedir(opened) }
        var count = -3  // `.`, `..`, and the descriptor of this directory
        while Glibc.readdir(opened) != nil { count += 1 }
        return max(0, count)
    }
}
