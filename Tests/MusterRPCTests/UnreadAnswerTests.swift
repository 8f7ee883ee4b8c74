import MusterListener
import MusterProtocol
import MusterRPC
import MusterTestSupport
import NIOConcurrencyHelpers
import NIOCore
import TestSupport
import Testing

/// Unread replies, over all connections.
@Suite struct UnreadAnswerTests {
    /// Asks for answers of 100 KB and reads nothing.
    private func greedy(_ server: RPCServer, _ count: Int = 120) async throws -> RawConnection {
        let connection = try await RawConnection(port: server.port, reads: false)
        try await connection.send(request(1, "session.open", "{\"key\":\"greedy\"}"))
        let text = String(repeating: "x", count: 100_000)
        let frames = (2..<2 + count).flatMap { framed(request($0, "test.echo", "{\"text\":\"\(text)\"}")) }
        connection.channel.writeAndFlush(ByteBuffer(bytes: frames), promise: nil)
        return connection
    }

    @Test func beyondTheBudgetOnlyConnectionsThatDoNotReadAreClosed() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.unreadAnswers = 3 << 20
        try await withStubServer(bounds: bounds) { server, stub in
            let good = try await RawConnection(port: server.port)
            try await good.open()
            var peers: [RawConnection] = []
            for _ in 0..<16 { peers.append(try await greedy(server)) }
            #expect(await eventually { server.unreadAborts > 0 })
            for id in 2...40 {
                try await good.send(request(id, "test.echo", "{\"text\":\"\"}"))
                #expect(try await good.next()?.id == Int64(id))
                #expect(server.answerBytes <= bounds.unreadAnswers + 16 * (2 << 20))
            }
            #expect(await eventually { server.answerBytes <= bounds.unreadAnswers })
            #expect(server.status.connections >= 2)  // as long as there is room, nobody is cut
            for peer in peers { await peer.close() }
            #expect(await eventually { server.answerBytes == 0 })
            await good.close()
        }
    }

    /// Of one connection no more begins than its own unread answers leave room for.
    @Test func largeCallsWaitForTheUnreadRepliesOfTheirConnection() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.unreadAnswersPerConnection = 200 << 10
        try await withStubServer(bounds: bounds) { server, stub in
            let connection = try await RawConnection(port: server.port)
            try await connection.open()
            // Room of 128 KiB is kept for each, so that one is made at a time.
            let calls = (2...5).map { request($0, "test.large", "{\"name\":\"\($0)\",\"bytes\":131072}") }
            try await connection.send(calls.flatMap(framed))
            for id in 2...5 {
                #expect(await eventually { stub.gates.arrived.count == id - 1 })
                try await Task.sleep(for: .milliseconds(50))
                #expect(stub.gates.arrived.count == id - 1)
                #expect(server.answerBytes >= 131_072)
                stub.gates.open(stub.gates.arrived.last ?? "")
                #expect(try await connection.next()?.id == Int64(stub.gates.arrived[id - 2]))
            }
            #expect(await eventually { server.answerBytes == 0 })
            // One that waits for room ends with its deadline, and one that is cancelled too.
            try await connection.send(
                request(6, "test.large", "{\"name\":\"6\",\"bytes\":131072}"),
                request(7, "test.large", "{\"name\":\"7\",\"bytes\":131072}", deadline: 100))
            #expect(try await connection.next()?.code == .deadlineExceeded)
            #expect(stub.gates.arrived.last == "6")
            stub.gates.openAll()
            #expect(try await connection.next()?.id == 6)
            #expect(await eventually { server.answerBytes == 0 && server.status.requestsInFlight == 0 })
        }
    }

    /// Turns are by key: many calls of one don't keep those of another waiting.
    @Test func theNextLargeCallIsOfAnotherKey() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.answersInMaking = 128 << 10
        try await withStubServer(bounds: bounds) { server, stub in
            let many = try await RawConnection(port: server.port)
            try await many.open(key: "many")
            let one = try await RawConnection(port: server.port)
            try await one.open(key: "one")
            let calls = (2...9).map { request($0, "test.large", "{\"name\":\"many-\($0)\",\"bytes\":131072}") }
            try await many.send(calls.flatMap(framed))
            #expect(await eventually { server.status.requestsInFlight == 8 && stub.gates.arrived.count == 1 })
            try await one.send(request(2, "test.large", "{\"name\":\"one\",\"bytes\":131072}"))
            #expect(await eventually { server.status.requestsInFlight == 9 })
            stub.gates.open(stub.gates.arrived[0])
            #expect(await eventually { stub.gates.arrived.count == 2 })
            stub.gates.open(stub.gates.arrived[1])
            #expect(await eventually { stub.gates.arrived.count == 3 })
            #expect(stub.gates.arrived.prefix(3).contains("one"))
            for connection in [many, one] { await connection.close() }
            #expect(await eventually { server.answerBytes == 0 })
        }
    }
}

/// Which connection makes room for the others. No socket.
@Suite struct AnswerBudgetTests {
    private let cut = NIOLockedValueBox<[String]>([])

    private func accounts(_ names: [String], patience: Duration) -> (AnswerBudget, [AnswerBudget.Account]) {
        let budget = AnswerBudget(
            name: "test", bounds: .init(maxBytes: 100, maxPerConnection: 100, maxInMaking: 100, patience: patience),
            log: RateLimitedLogger(quietLogger))
        return (budget, names.map { name in budget.open { self.cut.withLockedValue { $0.append(name) } } })
    }

    @Test func ifAllReadTheConnectionWithTheMostIsClosed() {
        let (budget, accounts) = accounts(["small", "large", "last"], patience: .seconds(3_600))
        for (account, bytes) in zip(accounts, [30, 60, 20]) { account.holds(bytes) }
        #expect(cut.withLockedValue(\.self) == ["large"] && budget.abortCount == 1)
        // What it holds is there until it is closed, and nobody is cut for it a second time.
        #expect(budget.bytes == 110)
        accounts[0].holds(40)
        #expect(budget.abortCount == 1)
        accounts[1].close()
        #expect(budget.bytes == 60)
        accounts[2].holds(70)
        #expect(cut.withLockedValue(\.self) == ["large", "last"])
    }

    @Test(.timeLimit(.minutes(1))) func aPromiseWaitsForRoomUntilItIsCancelled() async throws {
        let (budget, accounts) = accounts(["reader", "waiter"], patience: .seconds(3_600))
        accounts[0].holds(95)
        let promise = Task { try await accounts[1].promise(10) }
        #expect(await eventually { budget.isFull })
        promise.cancel()
        await #expect(throws: CancellationError.self) { try await promise.value }
        #expect(budget.bytes == 95 && !budget.isFull)
        try await accounts[1].promise(5)
        #expect(budget.bytes == 100)
    }

    @Test func aConnectionThatReadsNothingIsClosedBeforeALargerOne() async throws {
        let (_, accounts) = accounts(["stuck", "large", "last"], patience: .seconds(1))
        accounts[0].holds(30)
        try await Task.sleep(for: .milliseconds(1_100))
        for (account, bytes) in zip(accounts, [30, 60, 20]).dropFirst() { account.holds(bytes) }
        #expect(cut.withLockedValue(\.self) == ["stuck"])
    }
}
