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
            The key comes from the variable MUSTER_KEY or from --key-file, never from an argument, which every user of \
            the machine can read.

            To another machine it speaks TLS, and the server's certificate must be for the name after --server.

            Exit codes: 0 the reply is printed; 1 the call is wrong or refused; 64 the command is wrong, or there is no \
            key; 75 try again later, with the same request_id; 76 no TLS connection can be made, and trying again \
            won't help: the certificate, the file of authorities, or one side speaks plaintext; 77 the key is not \
            valid, or lacks the scope.

            Example: muster call segments.size '{"segment_id":"fr-win-back"}'
            """)

    @Argument(help: "Such as segments.size; `muster methods` lists them.") var method: String
    @Argument(help: "The call, a JSON object; - reads standard input.") var body = "{}"
    @OptionGroup var server: ServerOptions
    @Flag(help: "Print the reply as it came, on one line.") var json = false
    @Option(help: "Give up after so many seconds.") var deadlineSeconds = 10

    func validate() throws {
        guard (1...60).contains(deadlineSeconds) else { throw ValidationError("--deadline-seconds is 1 to 60.") }
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

    /// Code, sentence, and what to do next.
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
    /// As in sysexits.h.
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
        case .unauthenticated: "Look at MUSTER_KEY or --key-file: the key must be live and of this server (\(server))."
        case .permissionDenied: "Use a key with the scope; `muster call keys.create` makes one."
        case .unavailable: "Is the server running at \(server)? --server and MUSTER_SERVER say where it is."
        case .unimplemented: "`muster methods` lists what there is."
        case .unknown: "Send it again with the same request_id: it is applied once at most."
        case .aborted, .resourceExhausted, .deadlineExceeded: "Try again later."
        default: nil
        }
    }
}

extension TLSFault {
    /// What the operator can do.
    fileprivate var advice: String {
        switch self {
        case .untrusted: "Name the file of the authority that signed it with --ca-file or MUSTER_CA_FILE."
        case .expired: "Renew it; on SIGHUP the server reads its file again."
        case .notYetValid: "Look at the clocks of both machines."
        case .wrongName:
            "Name the server with --server or MUSTER_SERVER as its certificate does, or renew the certificate."
        case .serverSpeaksTLS: "Pass --tls or --ca-file, or set MUSTER_TLS=true."
        case .serverSpeaksPlaintext:
            "Look at --server and its port. Where nobody can listen in, pass --plaintext or set MUSTER_TLS=false."
        case .authorities: "Look at --ca-file and MUSTER_CA_FILE."
        case .notAgreed: "Look at --server and its port: is it Muster's RPC?"
        }
    }
}
