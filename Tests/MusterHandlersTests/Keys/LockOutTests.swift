import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// A workspace is never left without a key that can make others, unless its operator insists.
struct LockOutTests {
    /// The key that `TestDatabase` makes with its workspace.
    private static let admin = "k_000000000000"

    @Test func theLastAdminKeyIsInvalidatedByForceOnly() async throws {
        try await KeyFixture.with { rig in
            _ = try await make(rig, scopes: ["keys.*", "users.*"])
            await refused(rig, Self.admin)
            let second = try await make(rig)
            _ = try await end(rig, Self.admin)
            await refused(rig, second)
            let left = try await rig.keys.list(ListKeys(), rig.caller("*")).keys
            #expect(left.first { $0.keyID == second }?.invalidatedAt == nil)
            _ = try await end(rig, second, force: true)
            // Ended is ended: a repeat is a success, with and without force.
            _ = try await end(rig, second)
            _ = try await end(rig, Self.admin, force: false)
        }
    }

    @Test func aKeyThatExpiresDoesNotReplaceOneThatLasts() async throws {
        try await KeyFixture.with { rig in
            let short = try await make(rig, seconds: 3_600)
            let long = try await make(rig, seconds: 7_200)
            await refused(rig, Self.admin)
            // Those that are over sooner can go.
            _ = try await end(rig, short)
            _ = try await end(rig, Self.admin, force: true)
            await refused(rig, long)
            let longer = try await make(rig, seconds: 10_800)
            await refused(rig, longer)
            _ = try await end(rig, long)
        }
    }

    @Test func anExpiredKeyDoesNotCount() async throws {
        try await TestDatabase.with { test in
            try await test.withStore { store in
                let rig = KeyFixture(store, test.workspace)
                let other = try await make(rig)
                try await TestDatabase.open(test.ownerURL, connections: 1) { database in
                    try await database.transaction(deadline: .soon) { connection in
                        try connection.execute(
                            "UPDATE api_key SET expires_at = now() - interval '1 s' WHERE key_id = \(other)")
                    }
                }
                await refused(rig, Self.admin)
                _ = try await end(rig, other)
            }
        }
    }

    @Test func keysOfOtherWorkspacesDoNotCount() async throws {
        try await TestDatabase.with { test in
            _ = try await test.makeWorkspace("other")
            try await test.withStore { store in await refused(KeyFixture(store, test.workspace), Self.admin) }
        }
    }

    @Test func twoKeysThatInvalidateEachOtherDoNotBothSucceed() async throws {
        try await KeyFixture.with { rig in
            var keys = [try await make(rig), try await make(rig)]
            _ = try await end(rig, Self.admin)
            for _ in 0..<20 {
                let pair = keys
                let ended = await withTaskGroup(of: String?.self) { group in
                    for key in pair {
                        group.addTask { (try? await self.end(rig, key)) == nil ? nil : key }
                    }
                    return await group.reduce(into: [String]()) { if let key = $1 { $0.append(key) } }
                }
                #expect(ended.count == 1)
                keys = [try #require(pair.first { !ended.contains($0) }), try await make(rig)]
            }
        }
    }

    @Test func theOwnerOfTheTablesCreatesAKeyWhereNoneIsLeft() async throws {
        try await TestDatabase.with { test in
            try await test.withStore { store in
                let rig = KeyFixture(store, test.workspace)
                _ = try await end(rig, Self.admin, force: true)
                let made = try await TestDatabase.open(test.ownerURL, connections: 1) { database in
                    let schema = Schema(database: database)
                    await #expect(throws: RPCError.self) {
                        try await OwnersKey.make(
                            name: "x", scopes: ["*"], workspace: "nowhere", with: schema, deadline: .soon)
                    }
                    for scopes in [[], ["segment.*"]] {
                        await #expect(throws: RPCError.self) {
                            try await OwnersKey.make(
                                name: "x", scopes: scopes, workspace: TestDatabase.workspaceName, with: schema,
                                deadline: .soon)
                        }
                    }
                    return try await OwnersKey.make(
                        name: "rescue", scopes: ["*"], workspace: TestDatabase.workspaceName, with: schema,
                        deadline: .soon)
                }
                let session = try await rig.open(made.secret.text)
                #expect(session.keyID == made.keyID && session.allows("keys.create"))
                let keys = try await rig.keys.list(ListKeys(), rig.caller("*")).keys
                #expect(keys.map(\.name) == ["admin", "rescue"])
            }
        }
    }

    private func make(_ rig: KeyFixture, scopes: [String] = ["*"], seconds: Int64? = nil) async throws -> String {
        let expiry = seconds.map { Instant(microseconds: Instant.now.microseconds + $0 * 1_000_000) }
        let call = CreateKey(kind: .service, name: "x", scopes: scopes, expiresAt: expiry)
        return try await rig.keys.create(call, rig.caller("*")).keyID
    }

    private func end(_ rig: KeyFixture, _ keyID: String, force: Bool? = nil) async throws -> Instant {
        try await rig.keys.invalidate(.init(keyID: keyID, force: force), rig.caller("*")).invalidatedAt
    }

    private func refused(_ rig: KeyFixture, _ keyID: String) async {
        let error = await #expect(throws: RPCError.self) { try await end(rig, keyID) }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message.contains("force") == true)
    }
}
