import Foundation
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// The public Python client for Braze, from PyPI, with nothing changed but its endpoint and key.
@Suite struct BrazeClientTests {
    @Test func brazesPythonClientDrivesTheRegistry() async throws {
        try await withMuster { muster in
            let run = try await Self.run(
                against: "http://127.0.0.1:\(try await muster.server.restPort())",
                key: muster.server.workspace.adminKey.text)
            if run.status == 75, ProcessInfo.processInfo.environment["MUSTER_REQUIRE_BRAZE_CLIENT"] != "1" {
                try Test.cancel("braze-client can't be had: \(run.output)")
            }
            #expect(run.status == 0, "\(run.output)")
            #expect(run.output.contains("braze-client is content"), "\(run.output)")
            let user = try await muster.send(GetUser(user: .externalID("py-1")))
            #expect(user.attributes["email"] == "ada@example.com")
            #expect(user.attributes["tags"] == .strings(["b", "c"].map { Array($0.utf8) }))
            #expect(user.attributes["visits"] == 2)
            #expect(user.attributes["ok"] == true)
            await #expect(throws: RPCError.self) { try await muster.send(GetUser(user: .externalID("1002"))) }
        }
    }

    private static func run(against url: String, key: String) async throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL =
            URL(filePath: #filePath).appending(path: "../../../scripts/braze-client")
            .standardizedFileURL
        process.arguments = [url]
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
