/// One step of the schema: a file of this folder, numbered from 1.
public struct Migration: Sendable {
    public let version: Int
    public let name: String
    public let script: String
    /// Whether servers and commands of the schema before this migration work with it unchanged, so that they may keep
    /// running. It adds nullable columns, tables or indexes, older programs write everything that newer ones read, and
    /// no older statement fails or returns something else. A new feature, such as a file beside the database, may miss
    /// actions of older programs until the last of them has stopped. Migrations before 12 don't set it.
    public let onlyAdds: Bool

    /// Makes a migration that is not in this folder, such as a test's.
    public init(version: Int, name: String, script: String, onlyAdds: Bool = false) {
        self.version = version
        self.name = name
        self.script = script
        self.onlyAdds = onlyAdds
    }

    private init(_ version: Int, _ name: String, _ bytes: [UInt8], onlyAdds: Bool = false) {
        self.init(version: version, name: name, script: String(decoding: bytes, as: UTF8.self), onlyAdds: onlyAdds)
    }

    /// The migration that added the column `only_adds`.
    public static let onlyAddsVersion = 12

    /// All migrations in order. The statements of a landed file are never edited: the next number changes them.
    /// Scripts name the server's role `muster_server`; the migrator replaces it by the configured name. (The package
    /// manager replaces the first digit of a file's name by `_`.)
    public static let all: [Migration] = [
        Migration(1, "001_workspaces", PackageResources._01_workspaces_sql),
        Migration(2, "002_keys", PackageResources._02_keys_sql),
        Migration(3, "003_users", PackageResources._03_users_sql),
        Migration(4, "004_sets", PackageResources._04_sets_sql),
        Migration(5, "005_cohorts", PackageResources._05_cohorts_sql),
        Migration(6, "006_events", PackageResources._06_events_sql),
        Migration(7, "007_exports", PackageResources._07_exports_sql),
        Migration(8, "008_roles", PackageResources._08_roles_sql),
        Migration(9, "009_page_token_key", PackageResources._09_page_token_key_sql),
        Migration(10, "010_upkeep", PackageResources._10_upkeep_sql),
        Migration(11, "011_attribute_changes", PackageResources._11_attribute_changes_sql),
        Migration(12, "012_steps_that_only_add", PackageResources._12_steps_that_only_add_sql, onlyAdds: true),
        Migration(13, "013_partner_imports", PackageResources._13_partner_imports_sql, onlyAdds: true),
        Migration(14, "014_outdated_exports", PackageResources._14_outdated_exports_sql, onlyAdds: true),
        // It only adds: answers need neither the journal, which is a file beside the database, nor
        // `merged_user.braze_id`, which may be null. The journal is complete from when the last server of before has
        // stopped.
        Migration(15, "015_erasure_journal", PackageResources._15_erasure_journal_sql, onlyAdds: true),
        // Servers of before would not raise the new heads.
        Migration(16, "016_heads_and_logs", PackageResources._16_heads_and_logs_sql),
        Migration(17, "017_comments", PackageResources._17_comments_sql, onlyAdds: true),
    ]

    /// The schema that this build serves.
    public static var current: Int { all.last?.version ?? 0 }
}
