import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import NIOConcurrencyHelpers
import Testing

@testable import MusterREST

/// How many requests a key has in an hour.
@Suite struct RateLimitTests {
    @Test func everyResponseSaysHowManyRequestsAreLeft() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            let before = Instant.now.microseconds / 1_000_000
            let first = try await connector.change("c", "")
            let second = try await connector.post("/users", #""cohort_id":7"#)
            #expect(second.status == 400)
            #expect(first.headers["x-ratelimit-limit"] == "250000")
            #expect(first.headers["x-ratelimit-remaining"] == "249999")
            #expect(second.headers["x-ratelimit-remaining"] == "249998")
            let reset = try #require(first.headers["x-ratelimit-reset"].flatMap(Int64.init))
            #expect(reset > before && reset <= before + 3_600 && reset % 3_600 == 0)
        }
    }

    @Test func aKeyOverItsHourlyLimitIsRefusedAndOthersAreNot() async throws {
        try await withMuster { muster in
            let server = try await TestServer(
                databaseURL: muster.server.databaseURL, workspace: muster.server.workspace, restRequestsPerHour: 3)
            let limited = MusterUnderTest(server: server, client: muster.client, database: muster.database)
            let connector = try await Connector(limited)
            for left in ["2", "1", "0"] {
                let reply = try await connector.change("c", "")
                #expect(reply.status == 201 && reply.headers["x-ratelimit-remaining"] == left)
            }
            for _ in 0..<2 {
                let refused = try await connector.change("c", "")
                #expect(refused.status == 429)
                #expect(refused.message == "this key has sent its 3 requests of this hour (rest_requests_per_hour)")
                let details = try refused.problem.details
                #expect(details?.reason == "too_many" && details?.limit == "rest_requests_per_hour")
                #expect(details?.limitValue == 3)
                #expect(refused.headers["x-ratelimit-remaining"] == "0")
                let pause = try #require(refused.headers["retry-after"].flatMap(Int64.init))
                let reset = try #require(refused.headers["x-ratelimit-reset"].flatMap(Int64.init))
                #expect((1...3_600).contains(pause))
                #expect(abs(Instant.now.microseconds / 1_000_000 + pause - reset) <= 1)
            }
            // Neither another key of the same partner, nor another server.
            #expect(try await Connector(limited).change("c", "").status == 201)
            let elsewhere = try await muster.server.rest(
                "POST", "/partners/tinyclues/cohorts/users",
                #"{"client_secret":"\#(connector.key)","cohort_id":"c","cohort_changes":[]}"#)
            #expect(elsewhere.status == 201)
            await server.stop()
        }
    }

    @Test func withoutALimitNothingIsCounted() async throws {
        try await withMuster { muster in
            let server = try await TestServer(
                databaseURL: muster.server.databaseURL, workspace: muster.server.workspace, restRequestsPerHour: 0)
            let free = MusterUnderTest(server: server, client: muster.client, database: muster.database)
            let reply = try await Connector(free).change("c", "")
            #expect(reply.status == 201)
            #expect(reply.headers["x-ratelimit-limit"] == "")
            await server.stop()
        }
    }

    @Test func serviceKeysHaveALimitOfTheirOwn() async throws {
        try await withMuster { muster in
            let server = try await TestServer(
                databaseURL: muster.server.databaseURL, workspace: muster.server.workspace, restRequestsPerHour: 1,
                restServiceRequestsPerHour: 2)
            for status in [200, 200, 429] {
                let reply = try await server.rest(
                    "GET", "/segments/list", bearer: muster.server.workspace.adminKey.text)
                #expect(reply.status == status && reply.headers["x-ratelimit-limit"] == "2")
                #expect(reply.text.contains("rest_service_requests_per_hour") == (status == 429))
            }
            await server.stop()
        }
    }

    @Test func theCountStartsAgainEveryHour() throws {
        let clock = NIOLockedValueBox<Int64>(7_200 + 3_599)
        let limiter = RateLimiter(importKeys: 1, serviceKeys: 2) { clock.withLockedValue { $0 } }
        let session = Session(
            workspaceID: .init(rawValue: 1), workspace: "w", keyID: "k_1", kind: .import, partner: "p", scopes: [],
            expiresAt: nil)
        #expect(try limiter.count(session) == RateStatus(limit: 1, remaining: 0, resetsAt: 10_800))
        let error = #expect(throws: RateLimitReached.self) { try limiter.count(session) }
        #expect(error?.retryAfter == 1)
        clock.withLockedValue { $0 += 1 }
        #expect(try limiter.count(session) == RateStatus(limit: 1, remaining: 0, resetsAt: 14_400))
    }
}
