import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

@Suite struct ServerConversationTests {
    @Test func aSessionIsOpenedAndACallAnswered() async throws {
        try await withStubConnection(open: false) { connection, _, _ in
            try await connection.send(request(1, "session.open", "{\"key\":\"good\"}"))
            #expect(
                try await connection.next()
                    == .reply(id: 1, body: "{\"workspace\":\"acme\",\"key_id\":\"good\",\"scopes\":[\"*\"]}"))
            try await connection.send(request(2, "test.echo", "{\"text\":\"é\"}"))
            #expect(try await connection.next() == .reply(id: 2, body: "{\"text\":\"é\"}"))
        }
    }

    @Test(arguments: ["test.echo", "no.such"]) func noCallIsHandledBeforeTheSessionIsOpen(method: String) async throws {
        try await withStubConnection(open: false) { connection, _, stub in
            try await connection.send(
                request(1, method, "{\"text\":\"x\"}"), request(2, "session.open", "{\"key\":\"good\"}"))
            let frames = try await connection.rest()
            #expect(frames.map(\.code) == [.unauthenticated])
            #expect(stub.attempts == 0)
        }
    }

    @Test func aRejectedKeyGetsAnErrorAndTheConnectionIsClosed() async throws {
        try await withStubConnection(open: false) { connection, _, _ in
            try await connection.send(request(1, "session.open", "{\"key\":\"bad\"}"), request(2, "test.echo"))
            #expect(try await connection.rest() == [.error(id: 1, RPCError(.unauthenticated, "this key is no good"))])
        }
    }

    @Test func aSessionIsOpenedOnce() async throws {
        try await withStubConnection { connection, _, _ in
            try await connection.send(request(2, "session.open", "{\"key\":\"good\"}"))
            #expect(try await connection.next()?.code == .failedPrecondition)
            try await connection.send(request(3, "test.echo", "{\"text\":\"on\"}"))
            #expect(try await connection.next()?.id == 3)
        }
    }

    @Test func callsSentAfterOpenWaitForIt() async throws {
        try await withStubConnection(open: false) { connection, _, stub in
            try await connection.send(
                request(1, "session.open", "{\"key\":\"slow\"}"), request(2, "test.echo", "{\"text\":\"x\"}"))
            #expect(await eventually { stub.gates.arrived == ["open"] })
            #expect(stub.attempts == 0)
            stub.gates.open("open")
            #expect(try await connection.next(2).map(\.id) == [1, 2])
        }
    }

    @Test func framesMayArriveByteByByte() async throws {
        try await withStubConnection(open: false) { connection, _, _ in
            let bytes = [request(1, "session.open", "{\"key\":\"good\"}"), request(2, "test.echo", "{\"text\":\"x\"}")]
                .flatMap(framed)
            for byte in bytes { try await connection.send([byte]) }
            #expect(try await connection.next(2).map(\.id) == [1, 2])
        }
    }

    @Test func aThousandFramesInOneWriteGetAThousandAnswers() async throws {
        try await withStubConnection { connection, _, _ in
            let frames = (2...1_001).flatMap { framed(request($0, "test.echo", "{\"text\":\"\($0)\"}")) }
            try await connection.send(frames + framed(request(2_000, "test.echo")).dropLast(7))
            try await connection.finishSending()
            let answers = try await connection.rest().filter { $0 != .ping(0) }
            #expect(answers.count == 1_000)
            #expect(Set(answers.compactMap(\.id)) == Set(2...1_001))
            #expect(answers.contains(.reply(id: 77, body: "{\"text\":\"77\"}")))
        }
    }

    @Test func repliesAreSentInTheOrderOfCompletion() async throws {
        try await withStubConnection { connection, _, stub in
            try await connection.send(
                request(2, "test.wait", "{\"name\":\"late\"}"), request(3, "test.echo", "{\"text\":\"early\"}"))
            #expect(try await connection.next()?.id == 3)
            stub.gates.open("late")
            #expect(try await connection.next()?.id == 2)
        }
    }

    @Test func anUnknownMethodAndABadBodyCostOnlyTheirCall() async throws {
        try await withStubConnection { connection, _, _ in
            try await connection.send(
                request(2, "no.such"), request(3, "test.echo", "{\"text\":7}"), request(4, "test.echo", "{}"),
                "{\"id\":5,\"method\":\"test.echo\"}", "{\"id\":6,\"method\":\"test.echo\",\"body\":[]}",
                "{\"id\":7,\"method\":\"test.echo\",\"deadline_ms\":0,\"body\":{}}",
                "{\"id\":9}", request(8, "test.echo", "{\"text\":\"on\"}"))
            let frames = try await connection.next(8)
            let answers = Dictionary(uniqueKeysWithValues: frames.map { ($0.id ?? 0, $0) })
            #expect(answers[2]?.code == .unimplemented)
            for id in [Int64(3), 4, 5, 6, 7, 9] { #expect(answers[id]?.code == .invalidArgument, "call \(id)") }
            #expect(answers[8] == .reply(id: 8, body: "{\"text\":\"on\"}"))
        }
    }

    @Test func aLargeCallIsAnswered() async throws {
        try await withStubConnection { connection, _, _ in
            let text = String(repeating: "x", count: 300_000)
            try await connection.send(
                request(2, "test.echo", "{\"text\":\"\(text)\"}"), request(3, "test.echo", "{\"text\":\"\"}"))
            let frames = try await connection.next(2)
            #expect(frames.contains(.reply(id: 2, body: "{\"text\":\"\(text)\"}")))
            #expect(frames.contains(.reply(id: 3, body: "{\"text\":\"\"}")))
        }
    }

    @Test func aPingIsAnswered() async throws {
        try await withStubConnection { connection, _, _ in
            try await connection.send("{\"ping\":42}")
            #expect(try await connection.next() == .pong(42))
        }
    }
}
