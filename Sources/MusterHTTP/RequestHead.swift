import HTTPTypes
import MusterProtocol
import NIOHTTP1

extension HTTPRequestHead {
    /// Why a parsed header is not, or may not be, a request for this server; nil if it is. Its sender frames requests
    /// differently, so nothing after it can be read.
    var refusal: HTTPProblem? {
        let codings = headers.values(of: "transfer-encoding")
        if !codings.isEmpty {
            // The parser accepts any list that ends in chunked, and leaves all codings before it in the body.
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                return HTTPProblem(
                    .notImplemented, .unknownValue, field: "Transfer-Encoding",
                    "the only Transfer-Encoding that is taken is chunked, once")
            }
            guard version == .http1_1 else {
                return HTTPProblem(.badRequest, .malformed, "HTTP/1.0 has no Transfer-Encoding")
            }
        }
        guard declaredLength != nil else {
            return HTTPProblem(.badRequest, .malformed, field: "Content-Length", "Content-Length must be one number")
        }
        let hosts = headers.values(of: "host")
        guard hosts.count == 1 || hosts.isEmpty && version != .http1_1 else {
            return HTTPProblem(.badRequest, .malformed, field: "Host", "a request must have one Host")
        }
        guard hosts.allSatisfy(Self.isAuthority), authorityOfTarget.map(Self.isAuthority) ?? true else {
            return HTTPProblem(
                .badRequest, .malformed, field: "Host",
                "Host must be a name or an address, and a port where it is not the usual one")
        }
        return nil
    }

    /// Bytes of the body; 0 without a length, nil if it is not a number. It may exceed `Int`, which the parser accepts
    /// too. `Int` accepts a sign.
    var declaredLength: Int? {
        guard let length = headers.values(of: "content-length").first else { return 0 }
        guard !length.isEmpty, length.utf8.allSatisfy(\.isDigit) else { return nil }
        return Int(length) ?? .max
    }

    /// The compression of its body.
    enum BodyCoding { case none, gzip }

    /// Nil for codings that are not supported. Some clients write the charset in place of the coding.
    var bodyCoding: BodyCoding? {
        let codings = headers[canonicalForm: "content-encoding"].map { $0.lowercased() }
            .filter { !["", "identity", "utf-8", "utf8"].contains($0) }
        switch codings {
        case []: return BodyCoding.none
        case ["gzip"], ["x-gzip"]: return .gzip
        default: return nil
        }
    }

    /// The host of the request: a target that names a host takes precedence over the header field.
    var authority: String? { authorityOfTarget ?? headers.values(of: "host").first }

    private var authorityOfTarget: String? {
        let lowercase = uri.prefix(8).lowercased()
        for scheme in ["http://", "https://"] where lowercase.hasPrefix(scheme) {
            return String(uri.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" })
        }
        return nil
    }

    /// Whether it is a name or an address, with or without a port. It may be empty.
    private static func isAuthority(_ text: String) -> Bool {
        var host = text.utf8[...]
        let port = host.reversed().prefix { $0.isDigit }.count
        if host.dropLast(port).last == UInt8(ascii: ":") { host = host.dropLast(port + 1) }
        if host.first == UInt8(ascii: "[") {
            guard host.last == UInt8(ascii: "]") else { return false }
            return host.dropFirst().dropLast().allSatisfy { $0.isHexadecimal || ":.".utf8.contains($0) }
        }
        return host.allSatisfy { $0.isLetterOrDigit || "-._~%".utf8.contains($0) }
    }
}

extension HTTPHeaders {
    /// The values of a field, each without the surrounding white space, which is not part of it (RFC 9112, section 5).
    /// The parser leaves trailing white space.
    fileprivate func values(of name: String) -> [String] {
        self[name].map { value in
            let isBlank: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            let start = value.utf8.drop(while: isBlank)
            return String(
                decoding: start.prefix(start.count - start.reversed().prefix(while: isBlank).count), as: UTF8.self)
        }
    }
}

/// ASCII only.
extension UInt8 {
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    var isLetterOrDigit: Bool { isDigit || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }
    /// Whether it is a hexadecimal digit in ASCII.
    public var isHexadecimal: Bool { isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20) }
}
