import MusterProtocol
import Testing

/// Where plaintext needs no permission.
@Suite struct LoopbackTests {
    @Test(arguments: ["localhost", "::1", "127.0.0.1", "127.255.0.9"])
    func thisMachineIsLoopback(host: String) { #expect(isLoopback(host)) }

    @Test(arguments: [
        "127.evil.example.com", "127.0.0.1.example.com", "127.0.0", "127.0.0.256", "127.0..1", "128.0.0.1", "0.0.0.0",
        "", "LOCALHOST.",
    ])
    func nothingElseIs(host: String) { #expect(!isLoopback(host)) }
}
