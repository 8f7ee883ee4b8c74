import MusterHTTP
import MusterListener
import MusterTestSupport
import ServiceLifecycle
import TestSupport
import Testing

/// How a server begins and ends.
@Suite struct LifecycleTests {
    /// A server that is told to end as the process is, while `body` runs.
    private func withShutdown(
        _ bounds: HTTPServerSettings.Bounds = .quick,
        _ body: (HTTPServer, StubREST, _ end: () async -> Void) async throws -> Void
    ) async throws {
        let stub = StubREST()
        let server = stub.server(bounds: bounds)
        let group = ServiceGroup(services: [Ending(server: server)], logger: quietLogger)
        let running = Task { try await group.run() }
        #expect(await eventually { server.boundPort != nil })
        try await body(server, stub) { await group.triggerGracefulShutdown() }
        try await running.value
    }

    private struct Ending: Service {
        let server: HTTPServer
        func run() async throws { try await server.run() }
    }

    @Test func shutdownAnswersRequestsInFlightAndAcceptsNoMore() async throws {
        try await withShutdown { server, stub, end in
            let busy = try await RawHTTP(port: server.port)
            let idle = try await RawHTTP(port: server.port)
            try await idle.send("POST", namePath, body: stub.naming())
            #expect(try await idle.answer()?.status == 201)
            try await busy.send("POST", importPath, body: stub.importing("a"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            let port = server.port
            await end()
            #expect(await idle.closes())
            await #expect(throws: (any Error).self) { try await RawHTTP(port: port) }
            stub.gates.open("a")
            let answer = try await busy.answer()
            #expect(answer?.status == 201 && answer?.closes == true)
            #expect(await busy.closes())
        }
    }

    @Test func requestsThatOutlastTheShutdownAreAborted() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.drain = .milliseconds(200)
        let began = ContinuousClock.now
        try await withShutdown(bounds) { server, stub, end in
            let busy = try await RawHTTP(port: server.port)
            try await busy.send("POST", importPath, body: stub.importing("a"))
            let half = try await RawHTTP(port: server.port)
            try await half.send("POST", importPath, headers: ["Content-Length: 1000"])
            #expect(await eventually { stub.gates.arrived == ["a"] && server.status.requestsInFlight == 2 })
            await end()
            #expect(await busy.closes())
            #expect(await half.closes())
            #expect(await eventually { stub.gates.cancelled == ["a"] })
        }
        #expect(ContinuousClock.now - began < .seconds(5))
    }

    @Test func aTakenPortIsReported() async throws {
        try await withStubREST { server, stub in
            let second = stub.server(listener: .init(port: server.port, allowPlaintext: true))
            await #expect(throws: ListenerError.addressInUse(host: "127.0.0.1", port: server.port)) {
                try await second.run()
            }
        }
    }

    @Test func plaintextMustBeAllowed() async throws {
        let server = StubREST().server(listener: .init(port: 0))
        await #expect(throws: ListenerError.plaintextNotAllowed) { try await server.run() }
    }
}
