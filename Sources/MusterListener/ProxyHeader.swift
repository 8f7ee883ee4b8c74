/// The header of the PROXY protocol, version 2, in which a proxy names its client. It precedes all other bytes.
public struct ProxyHeader: Equatable, Sendable {
    /// The result of reading the bytes that have arrived.
    public enum Reading: Equatable, Sendable {
        /// A valid header so far, but incomplete.
        case partial
        /// A complete header and its length in bytes.
        case whole(ProxyHeader, length: Int)
        /// Not a header; the reason is for the operator.
        case malformed(String)
    }

    /// The client's address; nil if the proxy speaks for itself (LOCAL), as in a health check, or doesn't know it.
    public let source: PeerAddress?

    /// Bytes after the first sixteen: addresses take 36, and the proxies' additions a few hundred.
    public static let maxPayload = 2_048

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let fixedLength = 16

    /// Reads the header at the beginning of `bytes`. Invalid input is malformed at its first wrong byte.
    public static func read(_ bytes: some RandomAccessCollection<UInt8>) -> Reading {
        guard zip(bytes, signature).allSatisfy(==) else { return .malformed("there is no PROXY header") }
        let start = bytes.prefix(fixedLength).map(\.self)
        if start.count > 12, start[12] != 0x20, start[12] != 0x21 {
            return .malformed("the PROXY header is of another version or command")
        }
        guard start.count == fixedLength else { return .partial }
        let count = Int(start[14]) << 8 | Int(start[15])
        guard count <= maxPayload else { return .malformed("the PROXY header has more than \(maxPayload) bytes") }
        let isLocal = start[12] == 0x20
        guard let addresses = isLocal ? 0 : addressBytes(start[13]), addresses <= count else {
            return .malformed("the PROXY header has no address of TCP by IPv4 or IPv6")
        }
        let payload = bytes.dropFirst(fixedLength).prefix(count)
        guard payload.count == count else { return .partial }
        let length = fixedLength + count
        // The payload of LOCAL must be ignored.
        if isLocal { return .whole(ProxyHeader(source: nil), length: length) }
        guard hasWholeFields(payload.dropFirst(addresses)) else {
            return .malformed("a field of the PROXY header ends behind it")
        }
        // The payload begins with two addresses and two ports; the first address is the source.
        let source = addresses == 0 ? nil : PeerAddress(payload.prefix((addresses - 4) / 2))
        return .whole(ProxyHeader(source: source), length: length)
    }

    /// The length of two addresses and two ports; nil for families that Muster does not support.
    private static func addressBytes(_ family: UInt8) -> Int? {
        switch family {
        case 0x00: 0
        case 0x11: 12
        case 0x21: 36
        default: nil
        }
    }

    /// Whether the bytes are whole fields of type, length in two bytes, and value.
    private static func hasWholeFields(_ bytes: some RandomAccessCollection<UInt8>) -> Bool {
        var rest = bytes[...]
        while rest.popFirst() != nil {
            guard let high = rest.popFirst(), let low = rest.popFirst() else { return false }
            let count = Int(high) << 8 | Int(low)
            guard rest.count >= count else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
