public import Foundation
public import MusterListener

/// Certificates made by the openssl command: `server`, and `other`, which no client trusts.
public struct TestCertificates: ~Copyable {
    public let folder: URL

    struct NotMade: Error {}

    /// Whether they can be made; otherwise tests that need them are skipped.
    public static let isPossible = openssl(["version"], in: FileManager.default.temporaryDirectory)

    public init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "muster-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["server", "other"] { try make(name) }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    public func file(_ name: String) -> String { folder.appending(path: name).path }
    public var server: TLSFiles {
        .init(certificateFile: file("server.pem"), keyFile: file("server.key"))
    }

    /// Replaces the server's certificate by the other one.
    public func replaceServer() throws {
        for end in ["pem", "key"] {
            try FileManager.default.removeItem(atPath: file("server.\(end)"))
            try FileManager.default.copyItem(atPath: file("other.\(end)"), toPath: file("server.\(end)"))
        }
    }

    /// Makes `name.pem` and `name.key`, self-signed, for these names and this many days from now.
    public func make(_ name: String, for names: String = "DNS:localhost,IP:127.0.0.1", days: Int = 2) throws {
        let request = [
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            "/CN=localhost", "-addext", "subjectAltName=\(names)", "-keyout", "\(name).key", "-out", "\(name).csr",
        ]
        let signature = [
            "x509", "-req", "-in", "\(name).csr", "-signkey", "\(name).key", "-copy_extensions", "copy", "-days",
            "\(days)", "-out", "\(name).pem",
        ]
        guard Self.openssl(request, in: folder), Self.openssl(signature, in: folder) else { throw NotMade() }
    }

    /// A listener's settings for a certificate.
    public func files(_ name: String) -> TLSFiles {
        .init(certificateFile: file("\(name).pem"), keyFile: file("\(name).key"))
    }

    private static func openssl(_ arguments: [String], in folder: URL) -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.currentDirectoryURL = folder
        process.arguments = ["openssl"] + arguments
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
