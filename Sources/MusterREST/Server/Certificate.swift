import Hummingbird
import HummingbirdCore
import Logging
import NIOConcurrencyHelpers
import NIOCore
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

/// A channel behind TLS where there is a certificate. Not Hummingbird's own, which keeps its first certificate for ever.
struct CertifiedChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value
    private let base: HTTP1Channel
    private let certificate: Certificate

    init(_ base: HTTP1Channel, _ certificate: Certificate) {
        self.base = base
        self.certificate = certificate
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let certificate = certificate
        return channel.eventLoop.makeCompletedFuture {
            guard let context = certificate.context else { return }
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
