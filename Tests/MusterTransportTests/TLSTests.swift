import Foundation
import MusterClient
import MusterProtocol
import MusterServer
import MusterTestSupport
import Testing

/// Certificates made by the openssl command, which is all that a test needs of it.
private struct Certificates: ~Copyable {
    let folder: URL

    /// Nil where there is no openssl.
    init?() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "muster-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["server", "stranger"] where !Self.make(name, in: folder) {
            try? FileManager.default.removeItem(at: folder)
            print("The tests of TLS are skipped: they need the openssl command.")
            return nil
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func file(_ name: String) -> String { folder.appending(path: name).path }
    var server: RPCServerSettings.TLSFiles { .init(certificateFile: file("server.pem"), keyFile: file("server.key")) }

    private static func make(_ name: String, in folder: URL) -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.currentDirectoryURL = folder
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", "\(name).key", "-out", "\(name).pem",
        ]
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

@Suite struct TLSTests {
    private func client(_ server: RPCServer, host: String, authorities: String?) -> MusterClient {
        var settings = MusterClientSettings(
            host: host, port: server.port, key: "good", security: .tls(authoritiesFile: authorities))
        settings.firstPause = .milliseconds(5)
        return MusterClient(settings, logger: quiet)
    }

    @Test(arguments: ["127.0.0.1", "localhost"]) func callsPassThroughTLS(host: String) async throws {
        guard let certificates = try Certificates() else { return }
        try await withServer(tls: certificates.server) { server, stage in
            let client = client(server, host: host, authorities: certificates.file("server.pem"))
            let text = String(repeating: "é", count: 100_000)
            let reply = try await client.send(EchoCall(text: text))
            #expect(reply.text == text)
            let task = Task { try await client.send(WaitCall(name: "a")) }
            #expect(await eventually { stage.arrived == ["a"] })
            let drain = Task { await server.drain() }
            stage.letGo("a")
            #expect(try await task.value == Done())
            await drain.value
            await client.close()
        }
    }

    @Test func aServerThatNobodyVouchesForIsRefusedAtOnce() async throws {
        guard let certificates = try Certificates() else { return }
        try await withServer(tls: certificates.server) { server, stage in
            for authorities in [certificates.file("stranger.pem"), nil] {
                let client = client(server, host: "127.0.0.1", authorities: authorities)
                let error = await failure { try await client.send(EchoCall(text: "x"), deadline: .seconds(30)) }
                #expect(error?.code == .unavailable)
                await client.close()
            }
            #expect(stage.attempts == 0)
            #expect(await eventually { server.status.connections == 0 })
        }
    }

    @Test func plaintextToATLSServerIsClosed() async throws {
        guard let certificates = try Certificates() else { return }
        try await withServer(tls: certificates.server) { server, _ in
            let connection = try await RawConnection(port: server.port)
            try await connection.send(request(1, "session.open", "{\"key\":\"good\"}"))
            while !connection.isClosed { try await Task.sleep(for: .milliseconds(10)) }
            #expect(await eventually { server.status.connections == 0 })
            await connection.close()
        }
    }

    @Test func aCertificateIsReadAgainAndABadOneKeepsTheOld() async throws {
        guard let certificates = try Certificates() else { return }
        try await withServer(tls: certificates.server) { server, _ in
            let files = FileManager.default
            try Data("nothing".utf8).write(to: certificates.folder.appending(path: "server.pem"))
            #expect(throws: RPCServerError.self) { try server.reloadCertificate() }
            for end in ["pem", "key"] {
                try files.removeItem(atPath: certificates.file("server.\(end)"))
                try files.copyItem(
                    atPath: certificates.file("stranger.\(end)"), toPath: certificates.file("server.\(end)"))
            }
            try server.reloadCertificate()
            let client = client(server, host: "127.0.0.1", authorities: certificates.file("stranger.pem"))
            let reply = try await client.send(EchoCall(text: "new"))
            #expect(reply.text == "new")
            await client.close()
        }
    }
}
