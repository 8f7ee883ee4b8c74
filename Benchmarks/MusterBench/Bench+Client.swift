import Foundation
import MusterClient
import MusterProtocol

extension Bench {
    /// What a call costs the process that makes it, with `MusterClient`: first against an echo, which answers at once,
    /// then against the server.
    func clientCost(_ load: LoadProgram, readsKey: String, calls: Int) async throws {
        print(
            """

            ## The client: `segments.check` of one user in one segment

            \(Self.today): CPU of this process, which makes the calls with `MusterClient`. Against the server with `max_staleness_ms` 60,000.

            | what | calls in flight | connections | calls/s | client µs |
            |---|---|---|---|---|
            """)
        let shapes = [(connections: 1, inFlight: 1), (1, 64), (4, 64)].map(LoadProgram.Shape.init)
        try await load.withEcho { echo in
            for shape in shapes { try await clientRow("echo", echo, "", shape, calls) }
        }
        for shape in shapes {
            try await clientRow("server", port, readsKey, shape, calls)
        }
    }

    private func clientRow(
        _ name: String, _ port: Int, _ key: String, _ shape: LoadProgram.Shape, _ calls: Int
    ) async throws {
        var settings = settings
        (settings.port, settings.key, settings.connections) = (port, key, shape.connections)
        let client = MusterClient(settings)
        let ids = (0..<1_000).map { ReadsFilling.userID($0 % users) }
        _ = try await check(ids, calls: calls / 10, atOnce: shape.inFlight, 60_000, "s0", client)
        let measure = try await processes.measure {
            _ = try await check(ids, calls: calls, atOnce: shape.inFlight, 60_000, "s0", client)
        }
        await client.close()
        let micro = String(format: "%.2f", measure.client / Double(calls) * 1e6)
        let rate = Int(Double(calls) / measure.seconds).grouped
        print("| \(name) | \(shape.inFlight) | \(shape.connections) | \(rate) | \(micro) |")
    }
}
