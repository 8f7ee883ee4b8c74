import NIOConcurrencyHelpers
import NIOSSL

/// The certificate that new connections are met with; none on a server that speaks plaintext.
final class Certificate: Sendable {
    private let files: RESTServerSettings.TLSFiles?
    private let current = NIOLockedValueBox<NIOSSLContext?>(nil)

    init(_ files: RESTServerSettings.TLSFiles?) { self.files = files }

    var context: NIOSSLContext? { current.withLockedValue { $0 } }

    func reload() throws {
        guard let files else { return }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificateFile).map(
                NIOSSLCertificateSource.certificate)
            let key = try NIOSSLPrivateKey(file: files.keyFile, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            let context = try NIOSSLContext(configuration: configuration)
            current.withLockedValue { $0 = context }
        } catch {
            throw RESTServerError.certificate(reason: "\(error)")
        }
    }
}
