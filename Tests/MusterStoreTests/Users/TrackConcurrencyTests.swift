import MusterProtocol
import MusterTestSupport
import MusterUsers
import Postgres
import Testing

@testable import MusterStore

/// Calls of `users.track` at the same time.
@Suite struct TrackConcurrencyTests {
    @Test func noIncreaseIsLost() async throws {
        try await RegistryFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<4 {
                    group.addTask {
                        for _ in 0..<10 {
                            try await fixture.track(
                                #"{"attributes":[{"external_id":"u","n":{"inc":1},"s":{"add":["\#(sender)"]}},{"external_id":"v","n":{"inc":2}}]}"#
                            )
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.get(.externalID("u"))?.attributes["n"] == 40)
            #expect(try await fixture.get(.externalID("v"))?.attributes["n"] == 80)
        }
    }

    @Test func concurrentTracksOfOneAddressCreateOneUser() async throws {
        try await RegistryFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<8 {
                    group.addTask { try await fixture.track(#"{"attributes":[{"email":"a@x.eu","n\#(sender)":1}]}"#) }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.members(of: SetKey.everyone).count == 1)
            #expect(try await fixture.get(.email(Contact("a@x.eu")))?.attributes.entries.count == 9)
        }
    }

    @Test func addressesAreResolvedUnderTheLockOfTheirChanges() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u-1", ["email": "a@x.eu"]), .external("u-2"))
            let (store, workspace) = (fixture.store, fixture.workspace)
            async let moving: Void = store.in(workspace).transaction { connection in
                _ = try connection.lockHead(SetKey(workspace: workspace, number: SetKey.attributes))
                try connection.execute(
                    """
                    UPDATE registered_user SET attributes = CASE user_number WHEN 1 THEN '{"email": "a@x.eu"}' ELSE '{}' END::jsonb
                    WHERE workspace_id = \(workspace)
                    """)
                try connection.execute("SELECT pg_sleep(0.6)")
            }
            try await Task.sleep(for: .milliseconds(200))
            try await fixture.track(#"{"attributes":[{"email":"a@x.eu","hit":1}]}"#)
            try await moving
            #expect(try await fixture.get(.externalID("u-2"))?.attributes["hit"] == 1)
            #expect(try await fixture.get(.externalID("u-1"))?.attributes["hit"] == nil)
        }
    }
}
