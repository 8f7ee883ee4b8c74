import Foundation

/// CPU time and memory as the kernel accounts for them.
enum Machine {
    /// Seconds of CPU that a process has used; optionally includes its ended children.
    static func cpuSeconds(of pid: Int, withChildren: Bool = false) -> Double {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return 0 }
        let fields = stat[stat.index(after: end)...].split(separator: " ").map(String.init)
        guard fields.count > 15 else { return 0 }
        let ticks = (withChildren ? fields[11...14] : fields[11...12]).compactMap(Double.init).reduce(0, +)
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Seconds of CPU of PostgreSQL: its main process and all processes that it started, ended ones included.
    static func postgresSeconds(postmaster: Int) -> Double {
        let children = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap(Int.init) ?? []
        let living = children.filter { parent(of: $0) == postmaster }
        return living.reduce(cpuSeconds(of: postmaster, withChildren: true)) { $0 + cpuSeconds(of: $1) }
    }

    private static func parent(of pid: Int) -> Int? {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        return fields.count > 1 ? Int(fields[1]) : nil
    }

    /// Memory of a process in megabytes, now and at its peak.
    static func memory(of pid: Int) -> (now: Int, most: Int) {
        let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        func kilobytes(_ name: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
            return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        }
        return (kilobytes("VmRSS:") / 1024, kilobytes("VmHWM:") / 1024)
    }

    static var description: String {
        let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = info.split(separator: "\n").first { $0.hasPrefix("model name") }?.split(separator: ":").last ?? "?"
        let gigabytes = (ProcessInfo.processInfo.physicalMemory + (1 << 29)) >> 30
        return
            "\(ProcessInfo.processInfo.processorCount) cores (\(model.trimmingCharacters(in: .whitespaces))), \(gigabytes) GB"
    }
}

/// Wall time and CPU time of one measurement.
struct Measure {
    var seconds: Double
    var client: Double
    var server: Double
    var postgres: Double

    var cpu: Double { client + server + postgres }
}

/// The process whose CPU time counts.
struct Processes {
    var server: Int
    var postmaster: Int

    func measure(_ work: () async throws -> Void) async rethrows -> Measure {
        let own = Int(ProcessInfo.processInfo.processIdentifier)
        func now() -> (Double, Double, Double) {
            (
                Machine.cpuSeconds(of: own, withChildren: true), Machine.cpuSeconds(of: server),
                Machine.postgresSeconds(postmaster: postmaster)
            )
        }
        let before = now()
        let clock = ContinuousClock()
        let duration = try await clock.measure { try await work() }
        let after = now()
        return Measure(
            seconds: duration / .seconds(1), client: after.0 - before.0, server: after.1 - before.1,
            postgres: after.2 - before.2)
    }
}
