import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// A `muster-server` in a process of its own, as operators run it, to be ended as badly as one likes.
final class ServerProcess: Sendable {
    struct NotFound: Error {}
    struct NotServing: Error {}

    let port: UInt16
    private let pid: pid_t
    private let hasEnded = Flag()

    /// Starts `muster-server serve` on `port` and returns at once.
    ///
    /// - Parameters:
    ///   - settings: variables of its environment.
    ///   - errors: the file that its standard error goes to.
    init(databaseURL: String, port: UInt16, settings: [String: String] = [:], errors: String? = nil) throws {
        self.port = port
        let variables = [
            "MUSTER_DATABASE_URL": databaseURL, "MUSTER_LISTEN_PORT": "\(port)", "MUSTER_REST_PORT": "0",
            "MUSTER_OPS_PORT": "0",
            "MUSTER_UPKEEP_SECONDS": "1",
            "MUSTER_LOG_LEVEL": "critical",
        ]
        pid = try Self.spawn(["serve"], variables.merging(settings) { $1 }, errors: errors)
    }

    /// Nothing once it has ended: its number may be another process's by then.
    func send(_ signal: Int32) { if !hasEnded.isRaised { kill(pid, signal) } }

    /// Waits for the end of the process, and says how it ended: the exit code, or -1 after a signal.
    func ended() async -> Int32 {
        let status = await Self.end(of: pid)
        hasEnded.raise()
        return status
    }

    /// Ends it without mercy, if it has not ended.
    func remove() async {
        guard !hasEnded.isRaised else { return }
        send(SIGKILL)
        _ = await ended()
    }

    /// Runs another program of this build to its end: what it printed, on both outputs, and its exit code.
    static func run(
        _ program: String, _ arguments: [String], _ environment: [String: String]
    ) async throws -> (status: Int32, output: String) {
        let file = FileManager.default.temporaryDirectory.appending(path: "muster-output-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        let status = await end(
            of: try spawn(arguments, environment, program: program, output: file, errors: file))
        return (status, try String(contentsOfFile: file, encoding: .utf8))
    }

    /// A server that must end by itself, within 15 seconds: its exit code, and what it said.
    static func untilEnded(
        _ databaseURL: String, _ settings: [String: String] = [:]
    ) async throws -> (status: Int32, said: String) {
        let file = FileManager.default.temporaryDirectory.appending(path: "muster-refusal-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        let server = try ServerProcess(databaseURL: databaseURL, port: try freePort(), settings: settings, errors: file)
        let watching = Task {
            try await Task.sleep(for: .seconds(15))
            server.send(SIGKILL)
        }
        let status = await server.ended()
        watching.cancel()
        return (status, try String(contentsOfFile: file, encoding: .utf8))
    }

    /// Runs a command to its end. Its output is of no interest, but for the exit code.
    static func run(_ arguments: [String], databaseURL: String) async throws -> Int32 {
        await end(of: try spawn(arguments, ["MUSTER_DATABASE_URL": databaseURL]))
    }

    /// A client of this server, or of the one that comes after it on the same port.
    static func client(port: UInt16, key: Secret, _ change: (inout MusterClientSettings) -> Void = { _ in })
        -> MusterClient
    {
        var settings = MusterClientSettings(host: "127.0.0.1", port: Int(port), key: key.text, security: .plaintext)
        settings.deadline = .seconds(30)
        settings.firstPause = .milliseconds(20)
        settings.longestPause = .milliseconds(200)
        change(&settings)
        return MusterClient(settings, logger: quietLogger)
    }

    /// Below the ports that the kernel gives to outgoing connections, or one of those could have it a moment later.
    static func freePort() throws -> UInt16 {
        for _ in 0..<100 {
            let port = UInt16.random(in: 20_000..<32_000)
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let bound = withUnsafeBytes(of: &address) { bytes in
                bind(descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
            }
            if bound == 0 { return port }
        }
        throw NotServing()
    }

    // MARK: Processes

    /// The product of this build stands beside the tests.
    private static func binary(_ name: String) throws -> String {
        let places = [
            CommandLine.arguments[0],
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "",
        ]
        let candidates = (places + CommandLine.arguments).map {
            URL(filePath: $0).deletingLastPathComponent().appending(path: name).path
        }
        guard let path = candidates.first(where: FileManager.default.isExecutableFile(atPath:)) else {
            throw NotFound()
        }
        return path
    }

    /// Not by `Process`, which keeps a run loop and what it inherits; nothing but these variables is given on.
    private static func spawn(
        _ arguments: [String], _ environment: [String: String], program: String = "muster-server",
        output: String = "/dev/null", errors: String? = nil
    ) throws -> pid_t {
        let path = try binary(program)
        var variables = environment
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH"] { variables[name] = ProcessInfo.processInfo.environment[name] }
        // Where DATABASE_URL leaves it to this one.
        variables["PGPASSWORD"] = variables["PGPASSWORD"] ?? ProcessInfo.processInfo.environment["PGPASSWORD"]
        var argv = ([path] + arguments).map { strdup($0) } + [nil]
        var envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        if let errors { posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The tests ignore SIGPIPE and may block others; a server that an operator starts has everything as usual.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGHUP)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pid = pid_t()
        guard posix_spawn(&pid, path, &actions, &attributes, &argv, &envp) == 0 else { throw NotFound() }
        return pid
    }

    /// Not on a thread of the concurrency pool, of which there are as few as cores.
    private static func end(of pid: pid_t) async -> Int32 {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var status: Int32 = -1
                while waitpid(pid, &status, 0) == -1, errno == EINTR {}
                continuation.resume(returning: status & 0x7F == 0 ? (status >> 8) & 0xFF : -1)
            }
        }
    }
}

extension MusterClient {
    /// Returns when the server answers.
    func untilServing() async throws {
        _ = try await send(SetPartner(partner: "tinyclues"))
    }
}
