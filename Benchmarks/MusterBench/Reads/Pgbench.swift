import Foundation

/// Statements as PostgreSQL's own load program sends them, prepared: what a program without Muster does instead.
struct Pgbench {
    let path: String
    let database: String
    let folder: String
    let processes: Processes

    /// Runs a script for whole seconds, on so many connections.
    func run(_ script: String, connections: Int, seconds: Double, role: String? = nil) throws -> ReadFigures {
        let (file, log) = (folder + "/statement.sql", folder + "/pgbench-log")
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        let before = Machine.postgresSeconds(postmaster: processes.postmaster)
        // Of every tenth transaction the time is written down.
        let program = RunningProgram(
            path,
            [
                "--no-vacuum", "--protocol=prepared", "--client=\(connections)",
                "--time=\(Int(seconds.rounded(.up)))", "--file=\(file)", "--log", "--sampling-rate=0.1",
                "--log-prefix=\(log)", database + (role.map { " user=\($0)" } ?? ""),
            ], ProcessInfo.processInfo.environment)
        let output = String(decoding: try program.output(), as: UTF8.self)
        let spent = Machine.postgresSeconds(postmaster: processes.postmaster) - before
        guard let rate = number(after: "tps = ", in: output),
            let count = number(after: "number of transactions actually processed: ", in: output), count > 0
        else { throw LoadProgram.Failed(description: "pgbench said: \(output)") }
        let times = try takeTimes(log)
        return ReadFigures(
            rate: rate, median: times.quantile(0.5), high: times.quantile(0.99), postgres: spent / count * 1e6)
    }

    private func number(after text: String, in output: String) -> Double? {
        output.firstRange(of: text).flatMap { Double(output[$0.upperBound...].prefix { "0123456789.".contains($0) }) }
    }

    /// The microseconds in the log, which is removed.
    private func takeTimes(_ log: String) throws -> [Double] {
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).map { folder + "/" + $0 }
            .filter { $0.hasPrefix(log) }
        var times: [Double] = []
        for file in files {
            let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
            times += lines.compactMap { $0.split(separator: " ").dropFirst(2).first.flatMap { Double($0) } }
            try FileManager.default.removeItem(atPath: file)
        }
        return times.sorted()
    }
}

extension [Double] {
    /// Of sorted values.
    fileprivate func quantile(_ part: Double) -> Double {
        isEmpty ? 0 : self[Swift.min(count - 1, Int(Double(count) * part))]
    }
}
