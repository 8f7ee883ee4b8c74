import MusterClient
import MusterListener
import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

@Suite struct ClientRepeatTests {
    @Test(arguments: [RPCCode.unavailable, .aborted, .unknown]) func safeCallsAreRepeated(code: RPCCode) async throws {
        try await withStubClient { client, _, _ in
            let reply = try await client.send(FailCall(code: code, times: 3, safe: true))
            #expect(reply.attempts == 4)
        }
    }

    @Test(arguments: [RPCCode.unavailable, .aborted, .unknown]) func unsafeCallsAreNotRepeated(code: RPCCode)
        async throws
    {
        try await withStubClient { client, _, stub in
            let error = await rpcError {
                try await client.send(FailCall(code: code, times: 3, safe: false))
            }
            #expect(error == RPCError(code, "as told"))
            #expect(stub.attempts == 1)
        }
    }

    @Test(arguments: [RPCCode.notFound, .internal, .invalidArgument, .resourceExhausted])
    func permanentErrorsAreNotRepeated(code: RPCCode) async throws {
        try await withStubClient { client, _, stub in
            let error = await rpcError {
                try await client.send(FailCall(code: code, times: 3, safe: true))
            }
            #expect(error?.code == code)
            #expect(stub.attempts == 1)
        }
    }

    @Test func aClientWaitsAsLongAsAnExhaustedServerAsks() async throws {
        try await withStubClient { client, _, _ in
            let started = ContinuousClock.now
            let call = FailCall(code: .resourceExhausted, times: 1, safe: true, retryAfter: 150)
            let reply = try await client.send(call)
            #expect(reply.attempts == 2)
            #expect(ContinuousClock.now - started >= .milliseconds(150))
        }
    }

    @Test func theDeadlineCoversAllRepeats() async throws {
        try await withStubClient { client, _, _ in
            _ = try await client.send(EchoCall(text: "connect"))
            let error = await rpcError {
                try await client.send(FailCall(code: .aborted, times: 1_000_000, safe: true), deadline: .seconds(1))
            }
            #expect(error == RPCError(.aborted, "as told"))
        }
    }

    @Test func anUnreachableServerIsNamedAtTheDeadline() async throws {
        let server = RPCServer(
            settings: .init(listener: .init(port: 0, allowPlaintext: true)), router: StubHandlers().router,
            logger: quietLogger)
        try await server.start()
        let port = server.port
        await server.abortNow()
        let patient = stubClient(port: port)
        let impatient = stubClient(port: port, repeats: false)
        for client in [patient, impatient] {
            let error = await rpcError {
                try await client.send(EchoCall(text: "x"), deadline: .milliseconds(300))
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("127.0.0.1:\(port)") == true)
            await client.close()
        }
    }

    private func newServer(on port: LoopbackSocket, _ stub: StubHandlers) -> RPCServer {
        RPCServer(
            settings: .init(listener: .init(port: port.number, allowPlaintext: true), bounds: .quick),
            router: stub.router, logger: quietLogger)
    }

    /// A server is killed under a call and another one takes its place.
    private func withRestart(
        safe: Bool, _ body: (Task<RPCError?, Never>, StubHandlers, MusterClient) async throws -> Void
    ) async throws {
        let (first, second) = (StubHandlers(), StubHandlers())
        let port = try LoopbackSocket(listens: false)
        let server = newServer(on: port, first)
        try await server.start()
        let client = stubClient(port: port.number)
        let task = Task { await rpcError { try await client.send(WaitCall(name: "a", safe: safe)) } }
        #expect(await eventually { first.gates.arrived == ["a"] })
        await server.abortNow()
        try? await Task.sleep(for: .milliseconds(50))
        let successor = newServer(on: port, second)
        try await successor.start()
        try await body(task, second, client)
        await client.close()
        await successor.abortNow()
    }

    @Test func aSafeCallOutlivesARestartOfTheServer() async throws {
        try await withRestart(safe: true) { task, stub, _ in
            #expect(await eventually { stub.gates.arrived == ["a"] })
            stub.gates.open("a")
            #expect(await task.value == nil)
        }
    }

    @Test func anUnsafeCallThatWasSentIsNotSentAgain() async throws {
        try await withRestart(safe: false) { task, stub, client in
            #expect(await task.value?.code == .unknown)
            let reply = try await client.send(EchoCall(text: "on"))
            #expect(reply.text == "on")
            #expect(stub.gates.arrived == [])
        }
    }

    @Test func aDrainingServerIsLeftForAnother() async throws {
        let (first, second) = (StubHandlers(), StubHandlers())
        let port = try LoopbackSocket(listens: false)
        let server = newServer(on: port, first)
        try await server.start()
        let client = stubClient(port: port.number)
        let task = Task { try await client.send(WaitCall(name: "a")) }
        #expect(await eventually { first.gates.arrived == ["a"] })
        let drain = Task { await server.drain() }
        let successor = newServer(on: port, second)
        #expect(await eventually { (try? await successor.start()) != nil })
        // Both listen for a moment: what is sent before the client hears of the end is still answered by the first.
        #expect(
            await eventually {
                let reply = try? await client.send(EchoCall(text: "new"))
                return reply?.text == "new" && second.attempts > 0
            })
        first.gates.open("a")
        #expect(try await task.value == Done())
        await drain.value
        await client.close()
        await successor.abortNow()
    }

    @Test func anUnsafeCallThatGoawayExcludedIsSentElsewhere() async throws {
        let stub = StubHandlers()
        let port = try LoopbackSocket(listens: false)
        let peer = try await ScriptedServer(port: port.number)
        let client = stubClient(port: port.number)
        let task = Task { await rpcError { try await client.send(FailCall(code: .aborted, times: 0, safe: false)) } }
        try await peer.answer(1, "{\"workspace\":\"acme\",\"key_id\":\"k\",\"scopes\":[]}")
        #expect(await eventually { peer.requests == 2 })
        await peer.stopListening()
        try await peer.send("{\"goaway\":{\"last_id\":1,\"reason\":\"test\"}}")
        let successor = newServer(on: port, stub)
        #expect(await eventually { (try? await successor.start()) != nil })
        #expect(await task.value == nil)
        #expect(stub.attempts == 1)
        await client.close()
        await successor.abortNow()
        await peer.close()
    }
}
