import MusterListener
import MusterTestSupport
import NIOCore
import TestSupport
import Testing

/// Headers of the PROXY protocol, valid and invalid.
struct ProxyHeaderTests {
    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    static func header(_ command: UInt8, _ family: UInt8, _ payload: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? payload.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 0xFF)] + payload
    }

    static let ofIPv4: [UInt8] = [192, 0, 2, 7, 198, 51, 100, 1, 0xD4, 0x31, 0x1E, 0xC6]
    static let ofIPv6: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9]
        + [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] + [0xD4, 0x31, 0x1E, 0xC6]
    static let fields: [UInt8] = [0x01, 0, 2, 0x68, 0x32, 0x04, 0, 0, 0xEA, 0, 3, 1, 2, 3]

    private func source(_ bytes: [UInt8]) -> PeerAddress? {
        guard case .whole(let header, let length) = ProxyHeader.read(bytes) else {
            Issue.record("no header: \(ProxyHeader.read(bytes))")
            return nil
        }
        #expect(length == bytes.count)
        return header.source
    }

    private func address(_ text: String) throws -> PeerAddress? {
        PeerAddress(try SocketAddress(ipAddress: text, port: 1))
    }

    @Test func theSourceIsTheFirstAddress() throws {
        let (ipv4, ipv6) = try (address("192.0.2.7"), address("2001:db8:1:2::9"))
        #expect(source(Self.header(0x21, 0x11, Self.ofIPv4)) == ipv4)
        #expect(source(Self.header(0x21, 0x21, Self.ofIPv6)) == ipv6)
        #expect(source(Self.header(0x21, 0x11, Self.ofIPv4 + Self.fields)) == ipv4)
        #expect(ipv4 != ipv6 && ipv4 != nil)
    }

    @Test func aLocalCommandOfTheProxyHasNoSource() {
        #expect(source(Self.header(0x20, 0x00, [])) == nil)
        #expect(source(Self.header(0x20, 0x11, Self.ofIPv4)) == nil)
        #expect(source(Self.header(0x20, 0x31, [1, 2, 3])) == nil)
        #expect(source(Self.header(0x21, 0x00, [])) == nil)
    }

    @Test func addressesOfOneIPv6NetworkAreEqual() throws {
        #expect(try address("2001:db8:1:2::9") == address("2001:db8:1:2:ffff::1"))
        #expect(try address("2001:db8:1:2::9") != address("2001:db8:1:3::9"))
        #expect(try address("::ffff:192.0.2.7") == address("192.0.2.7"))
        #expect(try address("192.0.2.7") != address("192.0.2.8"))
    }

    @Test func extensionsOfTheHeaderAreIgnored() {
        let header = Self.header(0x21, 0x11, Self.ofIPv4)
        #expect(ProxyHeader.read(header + [0xFF, 0, 1]) == ProxyHeader.read(header))
    }

    /// As far as it has come it is a header, and not one byte sooner a whole one.
    @Test func aHeaderMayComeByteByByte() {
        for whole in [
            Self.header(0x21, 0x11, Self.ofIPv4 + Self.fields), Self.header(0x21, 0x21, Self.ofIPv6),
            Self.header(0x20, 0, []),
        ] {
            for count in 0..<whole.count { #expect(ProxyHeader.read(whole.prefix(count)) == .partial, "\(count)") }
        }
    }

    @Test(arguments: [
        Array("GET / HTTP/1.1\r\n".utf8), Array("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n".utf8),
        [0x16, 0x03, 0x01], [0x0D, 0x0A, 0x0D, 0x0B],
        header(0x11, 0x11, ofIPv4), header(0x22, 0x11, ofIPv4), header(0x2F, 0x11, ofIPv4),
        header(0x21, 0x12, ofIPv4), header(0x21, 0x22, ofIPv6), header(0x21, 0x31, Array(repeating: 0, count: 216)),
        header(0x21, 0x41, ofIPv4), header(0x21, 0x11, Array(ofIPv4.dropLast())), header(0x21, 0x21, ofIPv4),
        header(0x21, 0x11, [], length: 2_049), header(0x20, 0x00, [], length: 65_535),
        header(0x21, 0x11, ofIPv4 + [0x01]), header(0x21, 0x11, ofIPv4 + [0x01, 0]),
        header(0x21, 0x11, ofIPv4 + [0x01, 0, 2, 0x68]), header(0x21, 0x11, ofIPv4 + [0x01, 0xFF, 0xFF]),
    ])
    func anInvalidHeaderIsRefused(_ bytes: [UInt8]) {
        guard case .malformed(let reason) = ProxyHeader.read(bytes) else {
            Issue.record("\(bytes): \(ProxyHeader.read(bytes))")
            return
        }
        #expect(!reason.isEmpty)
    }

    @Test func theLongestHeaderIsAccepted() throws {
        let rest = ProxyHeader.maxPayload - 12 - 3
        let field = [0x04, UInt8(rest >> 8), UInt8(rest & 0xFF)] + [UInt8](repeating: 7, count: rest)
        #expect(try source(Self.header(0x21, 0x11, Self.ofIPv4 + field)) == address("192.0.2.7"))
    }

    /// Good headers with bytes changed, added and taken away: read alike whole and in pieces, and never beyond their
    /// ends.
    @Test func anyBytesAreReadTheSameInPieces() {
        let seed = TestSeed("anyBytesAreReadAlikeInPieces")
        var random = seed.random
        for round in 0..<20_000 {
            var bytes = [
                Self.header(0x21, 0x11, Self.ofIPv4 + Self.fields), Self.header(0x21, 0x21, Self.ofIPv6 + Self.fields),
                Self.header(0x20, 0, []),
            ].randomElement(using: &random)!
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            let whole = ProxyHeader.read(bytes)
            if case .whole(_, let length) = whole { #expect(length <= bytes.count) }
            var first = ProxyHeader.Reading.partial
            for count in 0...bytes.count where first == .partial { first = ProxyHeader.read(bytes.prefix(count)) }
            #expect(first == whole, "round \(round): \(bytes)")
        }
    }
}
