import Logging
import MusterProtocol
import NIOCore
import NIOSSL

/// Logs why a TLS handshake failed, in words for the operator, and passes the error on.
final class HandshakeLog: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let listener: String
    private let log: RateLimitedLogger

    init(listener: String, log: RateLimitedLogger) {
        self.listener = listener
        self.log = log
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that only connects, such as a probe, is not logged.
        if case NIOSSLError.handshakeFailed(.sslError(let stack)) = error,
            let name = stack.lazy.compactMap({ TransportWords.nameOfTLSError(in: $0.description) }).first
        {
            log.info("TLS handshake failed", ["listener": "\(listener)", "reason": "\(Self.sentence(name))"])
        }
        context.fireErrorCaught(error)
    }

    private static func sentence(_ name: String) -> String {
        switch name {
        case "HTTP_REQUEST", "HTTPS_PROXY_REQUEST": "the client speaks HTTP without TLS"
        case "WRONG_VERSION_NUMBER": "the client speaks no TLS"
        case "UNSUPPORTED_PROTOCOL", "NO_SUPPORTED_VERSIONS_ENABLED": "the client speaks no TLS of version 1.2 or later"
        case "TLSV1_ALERT_UNKNOWN_CA": "the client trusts no authority that signed the certificate"
        case "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client finds the certificate expired"
        case "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the client refuses the certificate"
        default: TransportWords.words(name)
        }
    }
}
