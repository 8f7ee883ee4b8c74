import ArgumentParser
import MusterClient

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Where the server is and who is calling.
struct ServerOptions: ParsableArguments {
    @Option(help: "Host and port (default: the variable MUSTER_SERVER, else 127.0.0.1:7878).") var server: String?
    @Option(help: "A file that holds the key and nothing else (default: the variable MUSTER_KEY).") var keyFile: String?
    @Option(help: "A PEM file of the authorities to believe, in the place of the system's.") var authorities: String?
    @Flag(help: "Speak without TLS to another machine: whoever listens in reads the key.") var plaintext = false

    func settings() throws -> MusterClientSettings {
        let environment = ProcessInfo.processInfo.environment
        let address = server ?? environment["MUSTER_SERVER"] ?? "127.0.0.1:7878"
        guard let (host, port) = Self.parse(address) else {
            throw ValidationError("\(address) is no host:port, such as muster.example.com:7878 or [::1]:7878.")
        }
        let key = try key(environment)
        if plaintext { return MusterClientSettings(host: host, port: port, key: key, security: .plaintext) }
        if let authorities {
            return MusterClientSettings(host: host, port: port, key: key, security: .tls(authoritiesFile: authorities))
        }
        return MusterClientSettings(host: host, port: port, key: key)
    }

    private func key(_ environment: [String: String]) throws -> String {
        guard let keyFile else {
            guard let key = environment["MUSTER_KEY"], !key.isEmpty else {
                throw ValidationError("There is no key: set MUSTER_KEY, or name a file with --key-file.")
            }
            return key
        }
        guard let data = try? Data(contentsOf: URL(filePath: keyFile)) else {
            throw ValidationError("The file \(keyFile) can't be read: look at --key-file.")
        }
        return String(decoding: data, as: UTF8.self).filter { !$0.isWhitespace }
    }

    /// The brackets of an IPv6 address come off; a missing port is 7878.
    static func parse(_ address: String) -> (host: String, port: Int)? {
        if address.hasPrefix("[") {
            let parts = address.dropFirst().split(separator: "]", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else { return nil }
            return port(parts[1]).map { (String(parts[0]), $0) }
        }
        let host = address.prefix { $0 != ":" }
        guard !host.isEmpty else { return nil }
        return port(address.dropFirst(host.count)).map { (String(host), $0) }
    }

    private static func port(_ text: Substring) -> Int? {
        if text.isEmpty { return 7_878 }
        guard text.hasPrefix(":"), let port = Int(text.dropFirst()), (1...65_535).contains(port) else { return nil }
        return port
    }
}
