import Foundation

/// Runs the program of `Benchmarks/load`, which loads a server and costs little itself.
struct LoadProgram {
    let path: String
    let processes: Processes

    /// How many connections there are, and how many calls are in flight on each.
    struct Shape: Hashable, CustomStringConvertible {
        var connections: Int
        var inFlight: Int
        var description: String { "\(connections) × \(inFlight)" }
    }

    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    /// What `load steady` prints: microseconds, and CPU time a call.
    private struct Steady: Decodable {
        let rate, p50, p99, cpu: Double
        let postgresCPU: Double

        enum CodingKeys: String, CodingKey {
            case rate, p50, p99, cpu
            case postgresCPU = "postgres_cpu"
        }
    }

    /// What `load offered` prints.
    private struct Offered: Decodable {
        let done, unanswered, refused: Int
        let errors: [String: Int]
    }

    /// Keeps calls of one kind in flight. Without a key, the server is an echo.
    func steady(_ call: LoadCall, _ shape: Shape, seconds: Double, port: Int, key: String? = nil) throws -> ReadFigures
    {
        let measured = key == nil ? [] : ["-p", "\(processes.server)", "-m", "\(processes.postmaster)"]
        let process = started(
            ["steady"] + measured + [
                "\(port)", "\(shape.connections)", "\(shape.inFlight)", "\(seconds)", call.method, call.body,
                "\(call.users)",
            ], key: key)
        let result = try JSONDecoder().decode(Steady.self, from: try process.output())
        return ReadFigures(
            rate: result.rate, median: result.p50, high: result.p99, server: key == nil ? nil : result.cpu,
            postgres: key == nil ? nil : result.postgresCPU)
    }

    /// Sends calls at a rate while `body` runs. All of them must be answered.
    func offering<R>(_ calls: [LoadCall], rate: Int, seconds: Double, port: Int, key: String, _ body: () throws -> R)
        throws -> R
    {
        let process = started(["offered", "\(port)", "\(seconds)", "10000", "\(rate)", "0", "0"], key: nil)
        let lines = calls.map { #""method":"\#($0.method)","deadline_ms":10000,"body":\#($0.body)}"# }
        try process.input(([key, ""] + lines).joined(separator: "\n") + "\n")
        let result = try body()
        let offered = try JSONDecoder().decode(Offered.self, from: try process.output())
        guard offered.done > 0, offered.unanswered == 0, offered.errors.isEmpty else {
            throw Failed(description: "of the calls beside it, not all were answered: \(offered)")
        }
        return result
    }

    /// Runs `body` with the port of an echo: a server that only answers.
    func withEcho<R>(_ body: (Int) async throws -> R) async throws -> R {
        let echo = started(["echo"], key: nil)
        defer { echo.end() }
        guard let port = Int(try echo.line()) else { throw Failed(description: "the echo doesn't listen") }
        return try await body(port)
    }

    private func started(_ arguments: [String], key: String?) -> RunningProgram {
        var environment = ProcessInfo.processInfo.environment
        environment["MUSTER_KEY"] = key
        return RunningProgram(path, arguments, environment)
    }
}

/// A call with its JSON, in which each `%u` becomes a random user.
struct LoadCall {
    var method: String
    var body: String
    var users: Int
}

/// A program with its input and output.
final class RunningProgram {
    private let process = Process()
    private let standardInput = Pipe()
    private let standardOutput = Pipe()

    init(_ path: String, _ arguments: [String], _ environment: [String: String]) {
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.environment = environment
        process.standardInput = standardInput
        process.standardOutput = standardOutput
    }

    /// Threads of a pool block all signals, and a program inherits that: pgbench would never hear its alarm.
    private func start() throws {
        guard process.processIdentifier == 0 else { return }
        var (none, old) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        try process.run()
    }

    func input(_ text: String) throws {
        try start()
        try standardInput.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try standardInput.fileHandleForWriting.close()
    }

    /// The first line.
    func line() throws -> String {
        try start()
        return String(decoding: standardOutput.fileHandleForReading.availableData, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// All that it prints until its end.
    func output() throws -> Data {
        try start()
        let data = standardOutput.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw LoadProgram.Failed(description: "\(process.arguments ?? []) ended with \(process.terminationStatus)")
        }
        return data
    }

    /// Closes its input, which ends an echo.
    func end() {
        try? standardInput.fileHandleForWriting.close()
        if process.isRunning { process.waitUntilExit() }
    }
}
