import Foundation
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// The public Python client for Braze, from PyPI, with nothing changed but its endpoint and key.
@Suite struct BrazeClientTests {
    @Test func brazesPythonClientDrivesTheRegistry() async throws {
        try await withMuster { muster in
            let url = "http://127.0.0.1:\(try await muster.server.restPort())"
            let run = try await Shell.run(
                [Repository.file("scripts/braze-client").path, url],
                environment: ["MUSTER_KEY": muster.server.workspace.adminKey.text])
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
}
