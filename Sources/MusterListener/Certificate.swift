import MusterProtocol
import NIOConcurrencyHelpers
import NIOSSL

/// The certificate of a listener for new connections; none if the listener speaks plaintext.
final class Certificate: Sendable {
    private let files: TLSFiles?
    private let current = NIOLockedValueBox<NIOSSLContext?>(nil)

    /// Reads no files before the first `reload`.
    init(_ files: TLSFiles?) { self.files = files }

    /// TLS 1.2 or later, with the certificate that was last read.
    var context: NIOSSLContext? { current.withLockedValue { $0 } }

    /// Reads the files again. Throws a `ListenerError`, and then keeps the current certificate.
    func reload() throws {
        guard let files else { return }
        guard let chain = try? NIOSSLCertificate.fromPEMFile(files.certificateFile), !chain.isEmpty else {
            throw Self.unreadable(files.certificateFile, as: "PEM certificates")
        }
        guard let key = try? NIOSSLPrivateKey(file: files.keyFile, format: .pem) else {
            throw Self.unreadable(files.keyFile, as: "a PEM private key")
        }
        do { try use(chain.map(NIOSSLCertificateSource.certificate), key) } catch {
            throw ListenerError.certificate(reason: Self.reason(error))
        }
    }

    /// The reason why a file can't be opened; NIOSSL does not give it, but the system does.
    private static func unreadable(_ file: String, as what: String) -> ListenerError {
        let cause = TransportWords.problem(readingFile: file).map { ": \($0)" } ?? ""
        return .certificate(reason: "\(file) can't be read as \(what)\(cause)")
    }

    private func use(_ chain: [NIOSSLCertificateSource], _ key: NIOSSLPrivateKey) throws {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        let context = try NIOSSLContext(configuration: configuration)
        current.withLockedValue { $0 = context }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case BoringSSLError.sslError(let stack), BoringSSLError.unknownError(let stack):
            switch stack.lazy.compactMap({ TransportWords.nameOfTLSError(in: $0.description) }).first {
            case "KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH": "the key is that of another certificate"
            case let name?: TransportWords.words(name)
            case nil: "the library of TLS refuses them"
            }
        default: "\(error)"
        }
    }
}
