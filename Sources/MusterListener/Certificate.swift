import NIOConcurrencyHelpers
import NIOSSL

/// The certificate that a listener meets new connections with; none where it speaks plaintext.
final class Certificate: Sendable {
    private let files: TLSFiles?
    private let current = NIOLockedValueBox<NIOSSLContext?>(nil)

    /// Nothing is read before the first `reload`.
    init(_ files: TLSFiles?) { self.files = files }

    /// TLS 1.2 or later, with the certificate as it was when it was last read.
    var context: NIOSSLContext? { current.withLockedValue { $0 } }

    /// Reads the files again. On an error what was there stays.
    func reload() throws {
        guard let files else { return }
        let chain = try NIOSSLCertificate.fromPEMFile(files.certificateFile).map(NIOSSLCertificateSource.certificate)
        let key = try NIOSSLPrivateKey(file: files.keyFile, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        let context = try NIOSSLContext(configuration: configuration)
        current.withLockedValue { $0 = context }
    }
}
