import MusterClient
import MusterProtocol
import MusterRPC
import MusterTestSupport
import NIOConcurrencyHelpers
import TestSupport
import Testing

@Suite struct ClientTests {
    @Test func aCallIsAnswered() async throws {
        try await withStubClient { client, server, _ in
            let reply = try await client.send(EchoCall(text: "é"))
            #expect(reply.text == "é")
            #expect(server.status == .init(connections: 1, requestsInFlight: 0))
        }
    }

    @Test(arguments: [1, 3]) func manyCallsShareTheConnections(connections: Int) async throws {
        try await withStubClient(connections: connections) { client, server, _ in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<1_000 {
                    group.addTask { try await client.send(EchoCall(text: "\(number)")).text == "\(number)" }
                }
                for try await isRight in group { #expect(isRight) }
            }
            #expect(server.status.connections == connections)
        }
    }

    @Test func aLargeCallAndItsReplyPass() async throws {
        try await withStubClient { client, _, _ in
            let text = String(repeating: "é", count: 150_000)
            let reply = try await client.send(EchoCall(text: text))
            #expect(reply.text == text)
            let error = await rpcError {
                try await client.send(EchoCall(text: String(repeating: "x", count: 4 << 20)))
            }
            #expect(error?.code == .resourceExhausted)
        }
    }

    @Test func aWrongKeyFailsAtOnce() async throws {
        try await withStubClient(key: "bad") { client, _, _ in
            let error = await rpcError { try await client.send(EchoCall(text: "x")) }
            #expect(error == RPCError(.unauthenticated, "this key is no good"))
        }
    }

    @Test func aCancelledTaskCancelsItsCallOnTheServer() async throws {
        try await withStubClient { client, _, stub in
            let task = Task { await rpcError { try await client.send(WaitCall(name: "a")) } }
            #expect(await eventually { stub.gates.arrived == ["a"] })
            task.cancel()
            #expect(await task.value?.code == .cancelled)
            #expect(await eventually { stub.gates.cancelled == ["a"] })
            let reply = try await client.send(EchoCall(text: "on"))
            #expect(reply.text == "on")
        }
    }

    @Test func aCallOfACancelledTaskIsNotMade() async throws {
        try await withStubClient { client, _, _ in
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                return await rpcError { try await client.send(WaitCall(name: "a")) }
            }
            task.cancel()
            #expect(await task.value?.code == .cancelled)
        }
    }

    @Test func aDeadlineEndsTheCallOnBothSides() async throws {
        try await withStubClient { client, _, stub in
            _ = try await client.send(EchoCall(text: "connect"))
            let error = await rpcError {
                try await client.send(WaitCall(name: "a"), deadline: .milliseconds(300))
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(await eventually { stub.gates.cancelled == stub.gates.arrived })
        }
    }

    @Test func pagesFollowOneAnother() async throws {
        try await withStubClient { client, _, _ in
            var sizes: [Int] = []
            for try await page in client.pages(CountCall(count: 25)) { sizes.append(page.numbers.count) }
            #expect(sizes == [10, 10, 5])
            var numbers: [Int] = []
            for try await number in client.entries(of: CountCall(count: 25, pageSize: 7)) { numbers.append(number) }
            #expect(numbers == Array(0..<25))
        }
    }

    @Test func callsCanBeMadeInJSON() async throws {
        try await withStubClient { client, _, _ in
            let reply = try await client.call(method: "test.echo", bodyJSON: Array(" { \"text\" : \"x\" } ".utf8))
            #expect(String(decoding: reply, as: UTF8.self) == "{\"text\":\"x\"}")
            for wrong in ["", "[]", "{}},\"body\":{", "{\"text\":\"x\",\"text\":\"y\"}"] {
                let error = await rpcError {
                    try await client.call(method: "test.echo", bodyJSON: Array(wrong.utf8))
                }
                #expect(error?.code == .invalidArgument)
            }
            let error = await rpcError {
                try await client.call(method: "test.echo\",\"body\":{},\"x\":\"", bodyJSON: Array("{}".utf8))
            }
            #expect(error?.code == .unimplemented)
        }
    }

    @Test func aClosedClientRefusesCalls() async throws {
        try await withStubClient { client, server, stub in
            let task = Task { await rpcError { try await client.send(WaitCall(name: "a")) } }
            #expect(await eventually { stub.gates.arrived == ["a"] })
            await client.close()
            #expect(await task.value?.code == .cancelled)
            let later = await rpcError { try await client.send(EchoCall(text: "x")) }
            #expect(later?.code == .cancelled)
            #expect(await eventually { server.status == .init(connections: 0, requestsInFlight: 0) })
        }
    }

    @Test func settingsNeverPrintTheKey() {
        let settings = MusterClientSettings(host: "db", port: 1, key: "mus_secret")
        var dumped = ""
        dump(settings, to: &dumped)
        for text in ["\(settings)", String(reflecting: settings), dumped] { #expect(!text.contains("mus_secret")) }
        #expect(settings.security == .tls())
        #expect(MusterClientSettings(host: "127.0.0.1", port: 1, key: "").security == .plaintext)
    }
}
