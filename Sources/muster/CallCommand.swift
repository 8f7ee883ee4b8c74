import ArgumentParser
import Logging
import MusterClient
import MusterProtocol

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `muster call`
struct CallCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "call", abstract: "Makes one call and prints its reply.",
        discussion: """
            The key is read from the variable MUSTER_KEY or from --key-file. It is never an argument, because every user \
            of the machine can read those.

            The connection uses TLS, except to this machine. The server's certificate must be for the name in --server.

            Exit codes: 0 the reply is printed; 1 the call is invalid or refused; 64 the command is invalid, or there is \
            no key; 75 try again later, with the same request_id; 76 no TLS connection is possible, and trying again \
            won't help: check the certificate, the file of authorities, and whether both sides use TLS; 77 the key is \
            not valid, or lacks the scope.

            Example: muster call segments.size '{"segment_id":"fr-win-back"}'
            """)

    @Argument(help: "Such as segments.size; `muster methods` lists them.") var method: String
    @Argument(help: "The call, a JSON object; - reads it from standard input.") var body = "{}"
    @OptionGroup var server: ServerOptions
    @Flag(help: "Print the reply unchanged, on one line.") var json = false
    @Option(help: "Give up after this many seconds (1 to 60).") var deadlineSeconds = 10

    func validate() throws {
        guard (1...60).contains(deadlineSeconds) else { throw ValidationError("--deadline-seconds must be 1 to 60.") }
    }

    func run() async throws {
        let settings = try server.settings()
        var quiet = Logger(label: "muster")
        quiet.logLevel = .critical
        let client = MusterClient(settings, logger: quiet)
        let result = await reply(client)
        await client.close()
        switch result {
        case .success(let reply): print(json ? String(decoding: reply, as: UTF8.self) : prettyJSON(reply))
        case .failure(let error):
            complain(error, at: settings)
            throw ExitCode(error.exitCode)
        }
    }

    private func reply(_ client: MusterClient) async -> Result<[UInt8], RPCError> {
        do {
            return .success(
                try await client.call(method: method, bodyJSON: input(), deadline: .seconds(deadlineSeconds)))
        } catch {
            return .failure(error as? RPCError ?? RPCError(.cancelled, "the call was cancelled", cause: error))
        }
    }

    private func input() -> [UInt8] {
        guard body == "-" else { return Array(body.utf8) }
        var bytes: [UInt8] = []
        while let line = readLine(strippingNewline: false) { bytes += Array(line.utf8) }
        return bytes
    }

    /// The code, the message, and what to do next.
    private func complain(_ error: RPCError, at settings: MusterClientSettings) {
        var text = "Error: \(error.code.rawValue): \(error.message)"
        if !error.details.fields.entries.isEmpty, let details = try? JSONEncoding.encode(error.details) {
            text += " \(String(decoding: details, as: UTF8.self))"
        }
        if let advice = error.advice(at: "\(settings)") { text += "\n\(advice)" }
        Array("\(text)\n".utf8).withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

extension RPCError {
    /// The codes of sysexits.h.
    var exitCode: Int32 {
        if cause is TLSFault { return 76 }
        return switch code {
        case .unauthenticated, .permissionDenied: 77
        case .unavailable, .aborted, .deadlineExceeded, .unknown, .resourceExhausted, .cancelled: 75
        default: 1
        }
    }

    func advice(at server: String) -> String? {
        if let fault = cause as? TLSFault { return fault.advice }
        return switch code {
        case .unauthenticated: "Check MUSTER_KEY or --key-file: the key must be valid on this server (\(server))."
        case .permissionDenied: "Use a key with the scope; make one with `muster call keys.create`."
        case .unavailable: "Check that the server runs at \(server); --server and MUSTER_SERVER say where it is."
        case .unimplemented: "List the methods with `muster methods`."
        case .unknown: "Send it again with the same request_id: it is applied at most once."
        case .aborted, .resourceExhausted, .deadlineExceeded: "Try again later."
        default: nil
        }
    }
}

extension TLSFault {
    /// What the operator can do.
    fileprivate var advice: String {
        switch self {
        case .untrusted: "Pass the file of the authority that signed it with --ca-file or MUSTER_CA_FILE."
        case .expired: "Renew it; the server reads its file again on SIGHUP."
        case .notYetValid: "Check the clocks of both machines."
        case .wrongName:
            "Name the server as its certificate does, with --server or MUSTER_SERVER, or renew the certificate."
        case .serverSpeaksTLS: "Pass --tls or --ca-file, or set MUSTER_TLS=true."
        case .serverSpeaksPlaintext:
            "Check --server and its port. On a trusted network, pass --plaintext or set MUSTER_TLS=false."
        case .authorities: "Check --ca-file and MUSTER_CA_FILE."
        case .notAgreed: "Check that --server names the port of Muster's RPC."
        }
    }
}
