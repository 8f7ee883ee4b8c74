/// The header of the PROXY protocol, version 2, by which a proxy says whom it speaks for. It comes before all else.
public struct ProxyHeader: Equatable, Sendable {
    /// What was read of the bytes that have come.
    public enum Reading: Equatable, Sendable {
        /// It is a header as far as it goes.
        case partial
        /// A whole one, of so many bytes.
        case whole(ProxyHeader, length: Int)
        /// It is none, in words for the operator.
        case malformed(String)
    }

    /// Whose connection it is; nil where the proxy speaks for itself (LOCAL), as in a health check, or doesn't know.
    public let source: PeerAddress?

    /// Bytes behind the first sixteen: addresses take 36, and what proxies add takes a few hundred.
    public static let maxPayload = 2_048

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let fixedLength = 16

    /// Reads the header at the beginning of `bytes`. What can't become one is malformed at its first wrong byte.
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
        // What comes with LOCAL is to be passed over, whatever it is.
        if isLocal { return .whole(ProxyHeader(source: nil), length: length) }
        guard hasWholeFields(payload.dropFirst(addresses)) else {
            return .malformed("a field of the PROXY header ends behind it")
        }
        // The source is the first of the two addresses before the two ports.
        let source = addresses == 0 ? nil : PeerAddress(payload.prefix((addresses - 4) / 2))
        return .whole(ProxyHeader(source: source), length: length)
    }

    /// What two addresses and two ports take; nil where Muster has no such connections.
    private static func addressBytes(_ family: UInt8) -> Int? {
        switch family {
        case 0x00: 0
        case 0x11: 12
        case 0x21: 36
        default: nil
        }
    }

    /// Type, length in two bytes, value: as many as there are.
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
