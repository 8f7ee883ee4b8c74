import Foundation
import MusterHandlers
import MusterServer
import MusterTestSupport
import Testing

/// `examples/python`, a client written from `proto-docs` alone, does its job on real data.
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
    @Test func thePythonClientFindsItsWayBack() async throws {
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

    @Test func thePythonClientSaysWhenItsKeyIsRefused() async throws {
        let example = PythonExample()
        try await withMuster { muster in
            let run = try await example.run(for: muster.server, key: "mus_srv_1_nobody")
            #expect(run.status == 1)
            #expect(run.output.contains("UNAUTHENTICATED: the key is not valid"))
        }
    }
}

/// The example's files, where there is a Python and the data to run it with.
private struct PythonExample {
    private let script = URL(filePath: #filePath).appending(path: "../../../examples/python/cdnow.py").standardized.path

    static let isPossible = CDNOW.isHere && hasPython

    func run(for server: TestServer, key: String? = nil) async throws -> (status: Int32, output: String) {
        try await Self.run(
            ["-B", script, CDNOW.path, "127.0.0.1:\(server.rpc.boundPort ?? 0)"],
            key: key ?? server.workspace.adminKey.text)
    }

    private static var hasPython: Bool {
        let process = python(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"])
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    private static func python(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        return process
    }

    private static func run(_ arguments: [String], key: String) async throws -> (status: Int32, output: String) {
        let process = python(arguments)
        process.environment = ProcessInfo.processInfo.environment.merging(["MUSTER_KEY": key]) { $1 }
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        // Read on another thread: the server under test needs those of this process's tasks.
        let output = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(returning: (try? pipe.fileHandleForReading.readToEnd()) ?? Data())
            }
        }
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
