import Foundation
import MusterHandlers
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// `examples/python`, a client written only from `proto-docs`, does its job on real data.
@Suite(.enabled(if: PythonExample.isPossible, "CDNOW_master.txt or a python3 of version 3.9 or later is missing"))
struct PythonClientTests {
    @Test func thePythonClientFindsEverySetOfCDNOW() async throws {
        let example = PythonExample()
        try await withMuster { muster in
            let run = try await example.run(for: muster.server)
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.contains("big and not active                    2,519    2,519    2,519  yes"))
            #expect(!run.output.contains("  NO"))
        }
    }

    /// Answers are lost on the way, so that it has to connect again and repeat its batches under their request ids.
    @Test func thePythonClientReconnects() async throws {
        let example = PythonExample()
        try await withMuster { muster in
            let cutting = Task {
                for _ in 0..<12 {
                    try await Task.sleep(for: .milliseconds(Int.random(in: 200...900)))
                    muster.server.rpc.endSessions(where: { _ in true }, reason: "a test")
                }
            }
            let run = try await example.run(for: muster.server)
            cutting.cancel()
            #expect(run.status == 0, "\(run.output)")
            let once = ["11,662 of 11,662 identifiers added to repeat", "5,374 of 5,374 identifiers added to active"]
            for line in once { #expect(run.output.contains(line), "\(run.output)") }
        }
    }

    @Test func thePythonClientReportsARejectedKey() async throws {
        let example = PythonExample()
        try await withMuster { muster in
            let run = try await example.run(for: muster.server, key: "mus_srv_1_nobody")
            #expect(run.status == 1)
            #expect(run.output.contains("UNAUTHENTICATED: the key is not valid"))
        }
    }
}

/// The example's files, if Python and the data are available.
private struct PythonExample {
    private let script = Repository.file("examples/python/cdnow.py").path

    static let isPossible = CDNOW.isHere && hasPython

    func run(for server: TestServer, key: String? = nil) async throws -> (status: Int32, output: String) {
        try await Shell.run(
            ["python3", "-B", script, CDNOW.path, "127.0.0.1:\(server.rpc.boundPort ?? 0)"],
            environment: ["MUSTER_KEY": key ?? server.workspace.adminKey.text])
    }

    private static var hasPython: Bool {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
