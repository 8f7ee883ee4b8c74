import MusterTestSupport
import Testing

@testable import MusterStore

/// What `verify` reports of rows that every workspace needs.
struct VerifyTests {
    @Test func verifyNamesTheRowsThatEachWorkspaceHas() async throws {
        try await TestDatabase.with { test in
            #expect(try await verify(test.ownerURL) == [])
            try await test.run("DELETE FROM set_head WHERE set_number IN (2, 5); DELETE FROM identifier_digest_key")
            let fixture = "workspace \(test.workspace.rawValue), "
            #expect(
                try await verify(test.ownerURL) == [
                    fixture + "set 2, the head of events is missing",
                    fixture + "set 5, the head of identifiers is missing",
                    fixture + "its row of identifier_digest_key is missing",
                ])
        }
    }

    /// As after a restore that failed in parts: foreign keys come last.
    @Test func verifyNamesHeadsAndWorkspacesThatARestoreLeftOut() async throws {
        try await TestDatabase.with { test in
            let fixture = "workspace \(test.workspace.rawValue), "
            try await test.run(
                """
                SET session_replication_role = replica;
                INSERT INTO cohort (workspace_id, partner, cohort_id, set_number, name, created_at)
                VALUES (\(test.workspace.rawValue), 'p', 'c', 16, 'c', now());
                """)
            #expect(try await verify(test.ownerURL) == [fixture + "set 16, the head of a cohort is missing"])
            try await test.run("SET session_replication_role = replica; DELETE FROM workspace")
            #expect(try await verify(test.ownerURL) == [fixture + "its row of workspace is missing"])
        }
    }
}
