import Foundation
import Glibc

/// A PostgreSQL of a test's own, for a setting that would hold up everybody else's.
public enum PrivateCluster {
    /// Whether there is a PostgreSQL to start here.
    public static let isPossible = FileManager.default.fileExists(atPath: "/usr/lib/postgresql")

    /// Runs `body` with its connection string.
    public static func with(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "muster-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let result: Result<Void, any Error>
        do {
            try await run("start", directory)
            let url = try String(contentsOf: directory.appending(path: "start.out"), encoding: .utf8)
            result = .success(try await body(url.trimmingCharacters(in: .whitespacesAndNewlines)))
        } catch { result = .failure(error) }
        try await run("stop", directory)
        try FileManager.default.removeItem(at: directory)
        try result.get()
    }

    struct ScriptFailed: Error {}

    /// Not by `Process`, which waits until the server has ended too, since it inherits a socket; and not on a thread of the
    /// concurrency pool, of which there are as few as cores.
    private static func run(_ command: String, _ directory: URL) async throws {
        let script = URL(filePath: #filePath).appending(path: "../../../scripts/postgres").standardized.path
        let path = directory.path
        let status = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    returning: shell(
                        "PG_OPTIONS='-c fsync=off' '\(script)' \(command) '\(path)' >'\(path)/\(command).out' 2>&1"))
            }
        }
        guard status == 0 else { throw ScriptFailed() }
    }

    private static func shell(_ command: String) -> Int32 {
        var process = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] =
            (["/bin/sh", "-c", command] as [String]).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawn(&process, "/bin/sh", nil, nil, &arguments, environ) == 0 else { return -1 }
        var status: Int32 = -1
        while waitpid(process, &status, 0) == -1, errno == EINTR {}
        return status
    }
}
