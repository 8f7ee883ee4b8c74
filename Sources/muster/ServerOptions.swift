import ArgumentParser
import MusterClient
import MusterProtocol

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Options that name the server and the key.
struct ServerOptions: ParsableArguments {
    @Option(help: "Host and port of the server (default: MUSTER_SERVER, else 127.0.0.1:\(DefaultPort.rpc)).")
    var server: String?
    @Option(help: "A file with the key and nothing else (default: the key in MUSTER_KEY).") var keyFile: String?
    @Flag(help: "Use TLS; the default except to this machine (MUSTER_TLS, true or false).")
    var tls = false
    @Option(
        help: "A PEM file of authorities to trust instead of the system's; implies --tls (MUSTER_CA_FILE).")
    var caFile: String?
    @Flag(help: "Use plaintext to another machine: an eavesdropper can read the key.") var plaintext = false

    func validate() throws {
        guard !plaintext || !tls && caFile == nil else {
            throw ValidationError("--plaintext contradicts --tls and --ca-file.")
        }
    }

    func settings(_ environment: [String: String] = ProcessInfo.processInfo.environment) throws -> MusterClientSettings
    {
        let given = environment.compactMapValues { value -> String? in
            let trimmed = value.withoutWhiteSpaceAround
            return trimmed.isEmpty ? nil : trimmed
        }
        let address = (server ?? given["MUSTER_SERVER"] ?? "127.0.0.1:\(DefaultPort.rpc)").withoutWhiteSpaceAround
        guard let (host, port) = hostAndPort(address, defaultPort: DefaultPort.rpc) else {
            let source = server == nil ? "MUSTER_SERVER" : "--server"
            throw ValidationError(
                "\(address) is not a host and port; pass one such as muster.example.com:7878, 10.0.0.7 or [::1]:7878, "
                    + "not a URL, in \(source).")
        }
        return MusterClientSettings(
            host: host, port: port, key: try key(given["MUSTER_KEY"]), security: try security(given))
    }

    /// Nil leaves the choice to the client: TLS, except to this machine. Flags take precedence over variables.
    private func security(_ environment: [String: String]) throws -> MusterClientSettings.Security? {
        if plaintext { return .plaintext }
        if let caFile { return .tls(authoritiesFile: caFile) }
        let wanted: Bool?
        switch environment["MUSTER_TLS"]?.lowercased() {
        case nil: wanted = nil
        case "true", "yes", "1": wanted = true
        case "false", "no", "0": wanted = false
        default: throw ValidationError("MUSTER_TLS must be true or false.")
        }
        if let file = environment["MUSTER_CA_FILE"] {
            guard tls || wanted != false else {
                throw ValidationError("MUSTER_TLS is false but MUSTER_CA_FILE names a file: unset one of them.")
            }
            return .tls(authoritiesFile: file)
        }
        if tls { return .tls() }
        return wanted.map { $0 ? .tls() : .plaintext }
    }

    /// Removes surrounding white space, such as the line break at the end of a file; a key contains none.
    private func key(_ variable: String?) throws -> String {
        guard let keyFile else {
            guard let variable else {
                throw ValidationError("No key: set MUSTER_KEY, or name a file with --key-file.")
            }
            return try checked(variable, "MUSTER_KEY")
        }
        guard let data = try? Data(contentsOf: URL(filePath: keyFile)) else {
            throw ValidationError("The file \(keyFile) can't be read: check --key-file.")
        }
        return try checked(String(decoding: data, as: UTF8.self).withoutWhiteSpaceAround, "the file \(keyFile)")
    }

    private func checked(_ key: String, _ source: String) throws -> String {
        guard !key.isEmpty, key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ValidationError(
                key.isEmpty
                    ? "No key in \(source)."
                    : "The key in \(source) is invalid: it has blanks or other characters that no key has.")
        }
        return key
    }
}
