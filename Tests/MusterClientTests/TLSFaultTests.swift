import MusterClient
import MusterListener
import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// What keeps a client from a safe connection is said at once, in a sentence, and before the key is sent.
@Suite(.enabled(if: TestCertificates.isPossible, "there is no openssl command")) struct TLSFaultTests {
    /// What a call to this server comes to; a final fault takes no time, though the call had half a minute.
    private func fault(
        _ server: RPCServer, host: String = "localhost", _ security: MusterClientSettings.Security
    ) async -> RPCError? {
        let settings = MusterClientSettings(host: host, port: server.port, key: "good", security: security)
        let client = MusterClient(settings, logger: quietLogger)
        let started = ContinuousClock.now
        let error = await rpcError { try await client.send(EchoCall(text: "x"), deadline: .seconds(30)) }
        #expect(ContinuousClock.now - started < .seconds(10))
        await client.close()
        for noise in ["BoringSSL", "OPENSSL", "routines", "/", "error:", "NIOSSL", "errno"] {
            #expect(error?.message.contains(noise) == false, "\(error?.message ?? "")")
        }
        #expect(error?.code == .failedPrecondition)
        return error
    }

    @Test func aPlaintextClientReportsThatTheServerUsesTLS() async throws {
        let certificates = try TestCertificates()
        try await withStubServer(tls: certificates.server) { server, stub in
            let error = await fault(server, .plaintext)
            #expect(error?.cause as? TLSFault == .serverSpeaksTLS)
            #expect(error?.message == "localhost:\(server.port) speaks TLS, and this client plaintext")
            #expect(stub.attempts == 0)
        }
    }

    @Test func aTLSClientReportsThatTheServerUsesPlaintext() async throws {
        try await withStubServer { server, stub in
            let error = await fault(server, .tls())
            #expect(error?.cause as? TLSFault == .serverSpeaksPlaintext)
            #expect(stub.attempts == 0)
        }
    }

    @Test func anExpiredCertificateIsReportedWithItsDate() async throws {
        let certificates = try TestCertificates()
        try certificates.make("expired", days: -1)
        try await withStubServer(tls: certificates.files("expired")) { server, stub in
            let error = await fault(server, .tls(authoritiesFile: certificates.file("expired.pem")))
            guard case .expired(let end)? = error?.cause as? TLSFault else {
                Issue.record("\(String(describing: error?.cause))")
                return
            }
            #expect(error?.message.hasSuffix("expired at \(end.iso8601)") == true)
            #expect(stub.attempts == 0)
        }
    }

    /// `127.1` is a name that every resolver takes for 127.0.0.1, as a name server could any other.
    @Test(arguments: [
        ("DNS:localhost,IP:127.0.0.1", "127.1"), ("DNS:muster.example.com", "localhost"), ("IP:127.0.0.1", "localhost"),
    ])
    func aCertificateForAnotherNameIsRefused(names: String, host: String) async throws {
        let certificates = try TestCertificates()
        try certificates.make("other", for: names)
        try await withStubServer(tls: certificates.files("other")) { server, stub in
            let error = await fault(server, host: host, .tls(authoritiesFile: certificates.file("other.pem")))
            guard case .wrongName(let shown)? = error?.cause as? TLSFault else {
                Issue.record("\(String(describing: error?.cause))")
                return
            }
            #expect(shown == names.split(separator: ",").map { String($0.split(separator: ":")[1]) })
            #expect(stub.attempts == 0)
        }
    }

    @Test(arguments: [
        ("DNS:*.localhost,DNS:LOCALHOST", "localhost"), ("IP:127.0.0.1", "127.0.0.1"), ("DNS:localhost", "LOCALHOST."),
    ])
    func aCertificateForThisNameIsAccepted(names: String, host: String) async throws {
        let certificates = try TestCertificates()
        try certificates.make("good", for: names)
        try await withStubServer(tls: certificates.files("good")) { server, _ in
            let settings = MusterClientSettings(
                host: host, port: server.port, key: " good\n",
                security: .tls(authoritiesFile: certificates.file("good.pem")))
            let client = MusterClient(settings, logger: quietLogger)
            let reply = try await client.send(EchoCall(text: "x"))
            #expect(reply.text == "x")
            await client.close()
        }
    }

    @Test(arguments: ["nothing.pem", "server.key"]) func aFileWithoutAuthoritiesIsReported(name: String) async throws {
        let certificates = try TestCertificates()
        try await withStubServer(tls: certificates.server) { server, _ in
            let file = certificates.file(name)
            let settings = MusterClientSettings(
                host: "localhost", port: server.port, key: "good", security: .tls(authoritiesFile: file))
            let client = MusterClient(settings, logger: quietLogger)
            let error = await rpcError { try await client.send(EchoCall(text: "x"), deadline: .seconds(30)) }
            let cause = name == "nothing.pem" ? "no such file or directory" : nil
            #expect(error?.cause as? TLSFault == .authorities(file: file, cause: cause))
            if let cause { #expect(error?.message.hasSuffix(": \(cause)") == true) }
            #expect(error?.message.contains(file) == true)
            await client.close()
        }
    }

    @Test func anUnreadableCertificateIsReportedWithTheCause() async throws {
        let certificates = try TestCertificates()
        for (files, reason) in [
            (
                TLSFiles(certificateFile: certificates.file("nothing.pem"), keyFile: certificates.file("server.key")),
                "nothing.pem can't be read as PEM certificates: no such file or directory"
            ),
            (
                TLSFiles(certificateFile: certificates.file("server.pem"), keyFile: certificates.file("nothing.key")),
                "nothing.key can't be read as a PEM private key: no such file or directory"
            ),
            (
                TLSFiles(certificateFile: certificates.file("server.key"), keyFile: certificates.file("server.key")),
                "server.key can't be read as PEM certificates"
            ),
        ] {
            let listener = Listener(name: "RPC", settings: .init(port: 0, tls: files), logger: quietLogger)
            let error = await #expect(throws: ListenerError.self) { try await listener.start { _, _ in } }
            guard case .certificate(let told)? = error else { continue }
            #expect(told.hasSuffix(reason), "\(told)")
        }
    }

    @Test func aRefusedConnectionIsReportedInWords() async throws {
        let port = try LoopbackSocket(listens: false)
        let client = stubClient(port: port.number, repeats: false)
        let error = await rpcError { try await client.send(EchoCall(text: "x")) }
        #expect(error?.code == .unavailable)
        #expect(error?.message == "can't connect to 127.0.0.1:\(port.number): connection refused")
        await client.close()
    }

    @Test func anotherProtocolIsNotReportedAsATLSError() async throws {
        let port = try LoopbackSocket(listens: false)
        let server = try await ScriptedServer(port: port.number)
        let client = stubClient(port: port.number)
        let call = Task { await rpcError { try await client.send(EchoCall(text: "x"), deadline: .seconds(20)) } }
        #expect(await eventually { server.requests == 1 })
        try await server.sendRaw("HTTP/1.1 400 Bad Request\r\n\r\n")
        let error = await call.value
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message.contains("does not speak Muster's RPC") == true)
        await client.close()
        await server.stopListening()
        await server.close()
    }
}
