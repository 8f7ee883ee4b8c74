import AsyncHTTPClient
import Foundation
import MusterHTTP
import MusterListener
import MusterTestSupport
import NIOCore
import NIOHTTP1
import NIOSSL
import TestSupport
import Testing

/// HTTP behind TLS.
@Suite(.enabled(if: TestCertificates.isPossible, "there is no openssl command")) struct SecurityTests {
    private func post(
        _ server: HTTPServer, _ body: String, trusting authorities: String, least: TLSVersion = .tlsv12,
        max: TLSVersion? = nil
    ) async throws -> UInt {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(authorities)
        tls.minimumTLSVersion = least
        tls.maximumTLSVersion = max
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.connectionPool.retryConnectionEstablishment = false
        let client = HTTPClient(configuration: configuration)
        var request = HTTPClientRequest(url: "https://127.0.0.1:\(server.port)\(namePath)")
        request.method = .POST
        request.body = .bytes(ByteBuffer(string: body))
        let status: Result<UInt, any Error>
        do { status = .success(try await client.execute(request, timeout: .seconds(20)).status.code) } catch {
            status = .failure(error)
        }
        try await client.shutdown()
        return try status.get()
    }

    private func files(_ certificates: borrowing TestCertificates) -> TLSFiles {
        .init(certificateFile: certificates.file("server.pem"), keyFile: certificates.file("server.key"))
    }

    @Test func requestsPassThroughTLSAndTheCertificateIsReloaded() async throws {
        let certificates = try TestCertificates()
        let (old, new) = (certificates.file("old.pem"), certificates.file("other.pem"))
        try FileManager.default.copyItem(atPath: certificates.file("server.pem"), toPath: old)
        let tls = files(certificates)
        try await withStubREST(tls: tls) { server, stub in
            let large = stub.naming("a", padding: 1_000_000)
            let first = try await post(server, large, trusting: old)
            #expect(first == 201)
            await #expect(throws: (any Error).self) { try await post(server, stub.naming("b"), trusting: new) }
            try Data("nothing".utf8).write(to: URL(filePath: tls.certificateFile))
            #expect(throws: ListenerError.self) { try server.reloadCertificate() }
            let second = try await post(server, stub.naming("c"), trusting: old)
            #expect(second == 201)
            for end in ["pem", "key"] {
                let from = new.replacing(".pem", with: ".\(end)")
                let to = tls.certificateFile.replacing(".pem", with: ".\(end)")
                try FileManager.default.removeItem(atPath: to)
                try FileManager.default.copyItem(atPath: from, toPath: to)
            }
            try server.reloadCertificate()
            let third = try await post(server, stub.naming("d"), trusting: new)
            #expect(third == 201)
            #expect(stub.named == ["a", "c", "d"])
        }
        try FileManager.default.removeItem(atPath: old)
    }

    @Test func oldVersionsOfTLSAreRefused() async throws {
        let certificates = try TestCertificates()
        let (tls, authority) = (files(certificates), certificates.file("server.pem"))
        try await withStubREST(tls: tls) { server, stub in
            await #expect(throws: (any Error).self) {
                try await post(server, stub.naming(), trusting: authority, least: .tlsv1, max: .tlsv11)
            }
            let fourth = try await post(server, stub.naming("b"), trusting: authority, max: .tlsv12)
            #expect(fourth == 201)
            #expect(stub.named == ["b"])
        }
    }

    @Test func plaintextToATLSServerIsClosed() async throws {
        let certificates = try TestCertificates()
        let tls = files(certificates)
        try await withStubREST(tls: tls) { server, stub in
            let connection = try await RawHTTP(port: server.port)
            try await connection.send("POST", namePath, body: stub.naming())
            #expect(await connection.closes())
            #expect(await eventually { server.status.connections == 0 })
            #expect(stub.named == [])
            await connection.close()
        }
    }
}
