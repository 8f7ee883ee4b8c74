public import Foundation
public import MusterListener

/// Certificates made by the openssl command, which is all that a test needs of it: `server` and `stranger`.
public struct TestCertificates: ~Copyable {
    public let folder: URL

    struct NotMade: Error {}

    /// Whether they can be made; a test that needs them is skipped where they can't.
    public static let isPossible = openssl(["version"], in: FileManager.default.temporaryDirectory)

    public init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "muster-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["server", "stranger"] where !Self.make(name, in: folder) { throw NotMade() }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    public func file(_ name: String) -> String { folder.appending(path: name).path }
    public var server: TLSFiles {
        .init(certificateFile: file("server.pem"), keyFile: file("server.key"))
    }

    /// Puts the stranger's certificate in the place of the server's.
    public func replaceServer() throws {
        for end in ["pem", "key"] {
            try FileManager.default.removeItem(atPath: file("server.\(end)"))
            try FileManager.default.copyItem(atPath: file("stranger.\(end)"), toPath: file("server.\(end)"))
        }
    }

    private static func make(_ name: String, in folder: URL) -> Bool {
        openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", "\(name).key", "-out", "\(name).pem",
            ], in: folder)
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
