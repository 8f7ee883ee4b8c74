import Foundation
import Glibc

/// A process that a test starts, and that never outlives it.
public final class ChildProcess: Sendable {
    /// The error where the program cannot be started.
    public struct NotStarted: Error {}

    private let pid: pid_t
    private let mustEnd = Flag()
    private let end = Flag()

    /// Whether its end was seen.
    public var hasEnded: Bool { end.isRaised }

    /// Starts a program. Not with `Process`, which keeps a run loop and inherited descriptors.
    ///
    /// - Parameters:
    ///   - command: the path of the program and its arguments.
    ///   - environment: nothing but these variables, and those that every program needs.
    ///   - output: the file that its standard output is appended to; `errors` likewise, or the tests' own.
    public init(
        _ command: [String], _ environment: [String: String] = [:], output: String = "/dev/null", errors: String? = nil
    ) throws {
        var variables = environment
        // PGPASSWORD if DATABASE_URL relies on it.
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "PGPASSWORD"] where variables[name] == nil {
            variables[name] = ProcessInfo.processInfo.environment[name]
        }
        var argv = command.map { strdup($0) } + [nil]
        var envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var actions = onlyStandardFiles()
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        if let errors { posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The tests ignore SIGPIPE and may block other signals; a program that an operator starts has the defaults.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for signal in [SIGPIPE, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pid = pid_t()
        guard let path = command.first, posix_spawn(&pid, path, &actions, &attributes, &argv, &envp) == 0 else {
            throw NotStarted()
        }
        self.pid = pid
    }

    /// Nothing once it has ended: its number may be another process's by then.
    public func send(_ signal: Int32) { if !hasEnded { kill(pid, signal) } }

    /// Waits for the end of the process, and says how it ended: the exit code, or -1 after a signal. It is killed where
    /// it takes longer than `limit`, or where the test is over.
    public func ended(within limit: Duration = .seconds(60)) async -> Int32 {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Not on a thread of the concurrency pool, which has only one per core.
                Thread.detachNewThread { [self] in
                    let last = ContinuousClock.now + limit
                    var status: Int32 = 0
                    while waitpid(pid, &status, WNOHANG) == 0 {
                        if mustEnd.isRaised || ContinuousClock.now > last { kill(pid, SIGKILL) }
                        usleep(2_000)
                    }
                    end.raise()
                    continuation.resume(returning: status & 0x7F == 0 ? (status >> 8) & 0xFF : -1)
                }
            }
        } onCancel: {
            mustEnd.raise()
        }
    }

    /// Ends it without mercy, if it has not ended.
    public func remove() async {
        guard !hasEnded else { return }
        send(SIGKILL)
        _ = await ended()
    }
}

/// File actions by which a child inherits the standard files and nothing else. NIO opens sockets without close-on-exec:
/// in a child they count against its limit of open files, and a peer doesn't see that a test has closed its end.
func onlyStandardFiles() -> posix_spawn_file_actions_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    for descriptor in 3..<Int32(1_024) { posix_spawn_file_actions_addclose(&actions, descriptor) }
    return actions
}
