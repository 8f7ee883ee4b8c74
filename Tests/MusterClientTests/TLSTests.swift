import Foundation
import MusterClient
import MusterListener
import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

@Suite(.enabled(if: TestCertificates.isPossible, "there is no openssl command")) struct TLSTests {
    private func client(_ server: RPCServer, host: String, authorities: String?) -> MusterClient {
        var settings = MusterClientSettings(
            host: host, port: server.port, key: "good", security: .tls(authoritiesFile: authorities))
        settings.firstPause = .milliseconds(5)
        return MusterClient(settings, logger: quietLogger)
    }

    @Test(arguments: ["127.0.0.1", "localhost"]) func callsPassThroughTLS(host: String) async throws {
        let certificates = try TestCertificates()
        try await withStubServer(tls: certificates.server) { server, stub in
            let client = client(server, host: host, authorities: certificates.file("server.pem"))
            let text = String(repeating: "é", count: 100_000)
            let reply = try await client.send(EchoCall(text: text))
            #expect(reply.text == text)
            let task = Task { try await client.send(WaitCall(name: "a")) }
            #expect(await eventually { stub.gates.arrived == ["a"] })
            let drain = Task { await server.drain() }
            stub.gates.open("a")
            #expect(try await task.value == Done())
            await drain.value
            await client.close()
        }
    }

    @Test func anUntrustedServerIsRefusedAtOnce() async throws {
        let certificates = try TestCertificates()
        try await withStubServer(tls: certificates.server) { server, stub in
            for authorities in [certificates.file("other.pem"), nil] {
                let client = client(server, host: "127.0.0.1", authorities: authorities)
                let error = await rpcError { try await client.send(EchoCall(text: "x"), deadline: .seconds(30)) }
                #expect(error?.code == .failedPrecondition && error?.cause as? TLSFault == .untrusted)
                await client.close()
            }
            #expect(stub.attempts == 0)
            #expect(await eventually { server.status.connections == 0 })
        }
    }

    @Test func plaintextToATLSServerIsClosed() async throws {
        let certificates = try TestCertificates()
        try await withStubServer(tls: certificates.server) { server, _ in
            let connection = try await RawConnection(port: server.port)
            try await connection.send(request(1, "session.open", "{\"key\":\"good\"}"))
            while !connection.isClosed { try await Task.sleep(for: .milliseconds(10)) }
            #expect(await eventually { server.status.connections == 0 })
            await connection.close()
        }
    }

    @Test func aCertificateIsReloadedAndABadOneKeepsTheOld() async throws {
        let certificates = try TestCertificates()
        try await withStubServer(tls: certificates.server) { server, _ in
            try Data("nothing".utf8).write(to: certificates.folder.appending(path: "server.pem"))
            #expect(throws: ListenerError.self) { try server.reloadCertificate() }
            try certificates.replaceServer()
            try server.reloadCertificate()
            let client = client(server, host: "127.0.0.1", authorities: certificates.file("other.pem"))
            let reply = try await client.send(EchoCall(text: "new"))
            #expect(reply.text == "new")
            await client.close()
        }
    }
}
