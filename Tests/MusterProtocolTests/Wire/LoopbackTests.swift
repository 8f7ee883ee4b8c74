import MusterProtocol
import Testing

/// Hosts for which plaintext needs no permission, and the notations of hosts.
@Suite struct LoopbackTests {
    @Test(arguments: [
        "localhost", "LOCALHOST", "Localhost.", "127.0.0.1", "127.255.0.9", "::1", "[::1]", "0:0:0:0:0:0:0:1",
        "0000:0000:0000:0000:0000:0000:0000:0001", "[0:0::1]", "::ffff:127.0.0.1",
    ])
    func thisMachineIsLoopback(host: String) { #expect(isLoopback(host)) }

    @Test(arguments: [
        "127.evil.example.com", "127.0.0.1.example.com", "127.0.0", "127.0.0.256", "127.0..1", "128.0.0.1", "0.0.0.0",
        "", "127.+0.0.1", "127.0.0.01x", "localhost.example.com", "localhost:1", "http://localhost", "::", "[::]",
        "::2", "::ffff:128.0.0.1", "[127.0.0.1]", "::1.example.com", "localhost\0.example.com", "1::1",
    ])
    func otherAddressesAreNotLoopback(host: String) { #expect(!isLoopback(host)) }

    @Test(arguments: [
        ("Muster.Example.COM.", "muster.example.com"), ("muster_server", "muster_server"), ("0.0.0.0", "0.0.0.0"),
        ("[::]", "::"), ("0:0:0:0:0:0:0:0", "::"), ("[2001:DB8:0:0::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ])
    func aHostHasOneForm(written: String, normalized: String) { #expect(normalizedHost(written) == normalized) }

    @Test(arguments: [
        "", ".", "a..b", "https://example.com", "example.com/x", "example.com:7878", "user@example.com", "a b", "*",
        "[::1", "::1]", "[example.com]", "[::1]:7878", "::1%", "é.example.com", "a\n",
    ])
    func anInvalidHostHasNoForm(written: String) { #expect(normalizedHost(written) == nil) }

    @Test(arguments: [
        ("localhost", "localhost", 7_878), ("LOCALHOST:1", "localhost", 1), ("127.0.0.1:65535", "127.0.0.1", 65_535),
        ("::1", "::1", 7_878), ("[::1]", "::1", 7_878), ("[::1]:9", "::1", 9), ("2001:db8::1", "2001:db8::1", 7_878),
        ("muster.example.com.:443", "muster.example.com", 443),
    ])
    func aPortMayFollow(written: String, host: String, port: Int) throws {
        let found = try #require(hostAndPort(written, defaultPort: 7_878))
        #expect(found.host == host && found.port == port)
        #expect(joinedHostAndPort("::1", 9) == "[::1]:9" && joinedHostAndPort("a", 9) == "a:9")
    }

    @Test(arguments: [
        "", ":7878", "a:", "a:0", "a:65536", "a:+1", "a: 1", "a:1:2", "[::1]7878", "[::1]:", "2001:db8::1:99999",
        "https://a:443", "a:443/", "tcp://10.96.12.7:7878",
    ])
    func aWrongPortIsRefused(written: String) { #expect(hostAndPort(written, defaultPort: 7_878) == nil) }
}
