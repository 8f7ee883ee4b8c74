public import NIOCore

/// The address by which connections of one peer are counted: an IPv4 address, or the 64 bits of an IPv6 network, since
/// one host may use all addresses in it.
public struct PeerAddress: Hashable, Sendable {
    private let network: UInt64
    /// The host part of IPv4; IPv6 has none.
    private let host: UInt64

    /// Takes four or sixteen bytes; nil for any other count.
    init?(_ bytes: some Collection<UInt8>) {
        func number(_ bytes: some Collection<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: (network, host) = (0, 0xFFFF << 32 | number(bytes))
        case 16:
            let (first, last) = (number(bytes.prefix(8)), number(bytes.dropFirst(8)))
            let isIPv4 = first == 0 && last >> 32 == 0xFFFF
            (network, host) = (first, isIPv4 ? last : 0)
        default: return nil
        }
    }

    /// Nil for a socket without an IP address.
    public init?(_ address: SocketAddress) {
        // The position of the address in `sockaddr_in` and `sockaddr_in6`.
        let range: Range<Int>
        switch address {
        case .v4: range = 4..<8
        case .v6: range = 8..<24
        case .unixDomainSocket: return nil
        }
        self.init(address.withSockAddr { Array(UnsafeRawBufferPointer(start: $0, count: $1)[range]) })
    }
}
