import Foundation
import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// A server with few descriptors, and one that crashes.
@Suite(.serialized) struct DescriptorTests {
    /// The server accepts as many as its limit, closes the oldest, and so can serve clients with a key.
    @Test func moreIdleConnectionsThanDescriptorsKeepNoClientOut() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            try await ServerProcess.with(database.serverURL, openFiles: 200) { server in
                let client = ServerProcess.client(port: server.port, key: key)
                try await client.untilServing()
                let unauthenticated = (0..<300).map { _ in Self.connect(to: server.port) }
                defer { for connection in unauthenticated { close(connection) } }
                for _ in 0..<20 { try await client.untilServing() }
                let newcomer = ServerProcess.client(port: server.port, key: key)
                try await newcomer.untilServing()
                await client.close()
                await newcomer.close()
                server.send(SIGTERM)
                #expect(await server.ended() == 0)
            }
        }
    }

    @Test func withTooFewDescriptorsTheServerDoesNotStart() async throws {
        try await TestDatabase.with { database in
            let (status, said) = try await ServerProcess.untilEnded(database.serverURL, openFiles: 100)
            #expect(status != 0 && said.contains("limit of open files is 100"), "\(said)")
        }
    }

    /// The runtime's backtrace may take long, and contains memory.
    @Test(arguments: [nil, "enable=yes", "enable=yes,registers=none,sanitize=yes"])
    func aFaultEndsTheServerInTime(backtrace: String?) async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            let file = FileManager.default.temporaryDirectory.appending(path: "muster-fault-\(UUID().uuidString)").path
            defer { try? FileManager.default.removeItem(atPath: file) }
            let settings = backtrace.map { ["SWIFT_BACKTRACE": $0] } ?? [:]
            try await ServerProcess.with(database.serverURL, settings: settings, errors: file) { server in
                let client = ServerProcess.client(port: server.port, key: key)
                try await client.untilServing()
                await client.close()
                let began = ContinuousClock.now
                server.send(SIGILL)
                #expect(await server.ended() == -1)
                #expect(ContinuousClock.now - began < .seconds(20))
            }
            let said = try String(contentsOfFile: file, encoding: .utf8)
            #expect(backtrace != nil || !said.contains("Registers"), "\(said)")
        }
    }

    private static func connect(to port: UInt16) -> Int32 {
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        _ = withUnsafeBytes(of: &address) { bytes in
            Glibc.connect(
                descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
        }
        return descriptor
    }
}
