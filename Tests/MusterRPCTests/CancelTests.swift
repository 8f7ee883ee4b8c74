import MusterClient
import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// A caller may cancel any of its requests; the others on its connection go on.
@Suite struct CancelTests {
    private static let answered = Set<Int64>(2...1_001)

    @Test func aThousandCancelsInFlightKeepTheConnection() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(request(5_000, "test.wait", "{\"name\":\"other\"}"))
            let frames = Self.answered.sorted().flatMap { id in
                framed(request(Int(id), "test.wait", "{\"name\":\"\(id)\"}")) + framed("{\"cancel\":\(id)}")
            }
            try await connection.send(frames)
            let answers = try await connection.next(Self.answered.count)
            #expect(Set(answers.compactMap(\.id)) == Self.answered)
            #expect(answers.allSatisfy { $0.code == .cancelled })
            stub.gates.open("other")
            #expect(try await connection.next() == .reply(id: 5_000, body: "{}"))
            #expect(await eventually { server.status == .init(connections: 1, requestsInFlight: 0) })
        }
    }

    @Test func aCancelThatCrossesItsReplyIsNotAFlood() async throws {
        try await withStubConnection { connection, _, _ in
            try await connection.send(
                Self.answered.sorted().flatMap { framed(request(Int($0), "test.echo", "{\"text\":\"\"}")) })
            #expect(Set(try await connection.next(Self.answered.count).compactMap(\.id)) == Self.answered)
            try await connection.send(Self.answered.sorted().flatMap { framed("{\"cancel\":\($0)}") })
            try await connection.send(request(5_000, "test.echo", "{\"text\":\"on\"}"))
            #expect(try await connection.next() == .reply(id: 5_000, body: "{\"text\":\"on\"}"))
        }
    }

    @Test func moreCancelsThanRequestsAreAFlood() async throws {
        try await withStubConnection { connection, _, _ in
            try await connection.send(request(2, "test.echo", "{\"text\":\"\"}"))
            #expect(try await connection.next()?.id == 2)
            try await connection.send(Array(repeating: framed("{\"cancel\":2}"), count: 300).flatMap { $0 })
            let frames = try await connection.rest()
            #expect(frames.map(\.code) == [nil])
            #expect(frames == [.goaway(lastID: 2, reason: "too many cancels, pings or wrong messages")])
        }
    }

    @Test func aFullConnectionStillReadsCancelsAndPings() async throws {
        try await withStubConnection { connection, _, stub in
            let waits = (2...129).map { request($0, "test.wait", "{\"name\":\"\($0)\"}") }
            try await connection.send((waits + ["{\"ping\":7}", "{\"cancel\":2}"]).flatMap(framed))
            #expect(Set(try await connection.next(2).map(\.code)) == [nil, .cancelled])
            #expect(await eventually { stub.gates.cancelled == ["2"] })
            try await connection.send(request(130, "test.echo", "{\"text\":\"on\"}"))
            #expect(try await connection.next() == .reply(id: 130, body: "{\"text\":\"on\"}"))
        }
    }

    @Test func aLargeCallIsCancelledWhileItIsRead() async throws {
        try await withStubConnection { connection, server, _ in
            let name = String(repeating: "x", count: 100_000)
            for id in 2...301 {
                try await connection.send(
                    framed(request(id, "test.wait", "{\"name\":\"\(name)\"}")) + framed("{\"cancel\":\(id)}"))
                let answer = try await connection.next()
                try #require(answer?.id == Int64(id) && answer?.code == .cancelled, "\(id)")
            }
            #expect(await eventually { server.status.requestsInFlight == 0 })
            try await connection.send("{\"ping\":7}")
            #expect(try await connection.next() == .pong(7))
        }
    }

    @Test func aClientCancelsCallsThatNoTaskAwaits() async throws {
        try await withStubClient { client, server, stub in
            let other = Task { try await client.send(WaitCall(name: "other"), deadline: .seconds(60)) }
            #expect(await eventually { stub.gates.arrived == ["other"] })
            for round in 0..<8 {
                let calls = (0..<127).map { number in
                    Task { await rpcError { try await client.send(WaitCall(name: "\(round)-\(number)")) } }
                }
                #expect(await eventually { stub.gates.arrived.count == 1 + 127 * (round + 1) })
                for call in calls { call.cancel() }
                for call in calls { #expect(await call.value?.code == .cancelled) }
                #expect(await eventually { server.status.requestsInFlight == 1 })
            }
            #expect(stub.gates.cancelled.count == 8 * 127)
            stub.gates.open("other")
            _ = try await other.value
            #expect(server.status.connections == 1)
        }
    }
}
