public import MusterProtocol
import NIOCore
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Why no secure connection to a server is possible, and retrying won't help: the `cause` of a call's
/// `FAILED_PRECONDITION`.
public enum TLSFault: Error, Sendable, Equatable {
    /// No trusted authority signed the certificate.
    case untrusted
    /// The certificate has expired.
    case expired(Instant)
    /// The certificate is not valid yet.
    case notYetValid(Instant)
    /// The certificate is for these names and addresses only.
    case wrongName([String])
    /// This client speaks plaintext and the server TLS.
    case serverSpeaksTLS
    /// This client speaks TLS and the server plaintext.
    case serverSpeaksPlaintext
    /// The file of authorities is unusable; with the system's error when it can't be read.
    case authorities(file: String, cause: String?)
    /// The two sides have no TLS version or cipher in common.
    case notAgreed(reason: String)
}

extension TLSFault {
    /// The meaning of a failed handshake; nil when a retry may succeed, as when the server closed the connection.
    ///
    /// - Parameter certificate: the server's certificate, when it arrived.
    init?(_ error: any Error, certificate: NIOSSLCertificate?) {
        switch error {
        case let fault as TLSFault: self = fault
        case let error as NIOSSLExtraError:
            let isOfName = error == .failedToValidateHostname || error == .serverHostnameImpossibleToMatch
            self = isOfName ? .wrongName(certificate?.names ?? []) : .notAgreed(reason: "\(error)")
        case NIOSSLError.handshakeFailed(.sslError(let stack)):
            guard let reason = stack.lazy.compactMap({ TransportWords.nameOfTLSError(in: $0.description) }).first else {
                return nil
            }
            self =
                reason == "CERTIFICATE_VERIFY_FAILED"
                ? .verifying(certificate) : .notAgreed(reason: TransportWords.words(reason))
        default: return nil
        }
    }

    /// The library only reports that the certificate was refused. The certificate's own dates reveal the most common
    /// reason; expired intermediate authorities count as not trusted.
    private static func verifying(_ certificate: NIOSSLCertificate?) -> TLSFault {
        guard let certificate else { return .untrusted }
        let now = time(nil)
        if certificate.notValidAfter < now { return .expired(Instant(seconds: certificate.notValidAfter)) }
        if certificate.notValidBefore > now { return .notYetValid(Instant(seconds: certificate.notValidBefore)) }
        return .untrusted
    }

    /// The message for a caller, for this server.
    func error(at server: MusterClientSettings) -> RPCError {
        RPCError(.failedPrecondition, sentence(about: "\(server)"), cause: self)
    }

    private func sentence(about server: String) -> String {
        switch self {
        case .untrusted: "the certificate of \(server) is not signed by a trusted authority"
        case .expired(let end): "the certificate of \(server) expired at \(end.iso8601)"
        case .notYetValid(let start): "the certificate of \(server) is valid only from \(start.iso8601)"
        case .wrongName([]): "the certificate of \(server) is for another name"
        case .wrongName(let names):
            "the certificate of \(server) is for \(names.joined(separator: ", ")), not for this name"
        case .serverSpeaksTLS: "\(server) speaks TLS, and this client plaintext"
        case .serverSpeaksPlaintext: "\(server) speaks plaintext, and this client TLS"
        case .authorities(let file, let cause):
            "the file \(file) can't be read as PEM certificates\(cause.map { ": \($0)" } ?? "")"
        case .notAgreed(let reason): "no TLS connection to \(server) can be agreed on: \(reason)"
        }
    }
}

extension NIOSSLCertificate {
    /// Whether the certificate is for this host: an address must be among its addresses, a name among its names.
    ///
    /// NIO's own check also accepts a certificate for the address that a name resolves to, so a name server could
    /// choose the meaning of a name. For a certificate without any names NIO has compared the common name, which is
    /// accepted.
    func isFor(_ host: String) -> Bool {
        let names = _subjectAlternativeNames().filter { $0.nameType == .dnsName || $0.nameType == .ipAddress }
        return names.isEmpty || Dialer.isAddress(host) || names.contains { $0.nameType == .dnsName && $0.matches(host) }
    }

    /// The names and addresses of the certificate.
    var names: [String] {
        _subjectAlternativeNames().compactMap { name in
            switch name.nameType {
            case .dnsName: String(decoding: name.contents, as: UTF8.self)
            case .ipAddress:
                (try? SocketAddress(packedIPAddress: ByteBuffer(bytes: name.contents), port: 0))?.ipAddress
            default: nil
            }
        }
    }
}

extension Instant {
    fileprivate init(seconds: time_t) { self.init(microseconds: Int64(seconds) * 1_000_000) }
}

extension _SubjectAlternativeName {
    /// RFC 6125: the same name, or a `*` as the whole first label.
    fileprivate func matches(_ host: String) -> Bool {
        let pattern = String(decoding: contents, as: UTF8.self).lowercased()
        guard pattern.hasPrefix("*.") else { return pattern == host }
        return host.drop { $0 != "." } == pattern.dropFirst()
    }
}
