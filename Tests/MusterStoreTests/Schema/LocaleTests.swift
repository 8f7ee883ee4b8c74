import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Replies do not depend on the locale and the date settings of the database.
struct LocaleTests {
    /// Names and texts to look for, whose cases locales disagree about.
    private static let names = [
        "ÉTÉ 2026", "été 2025", "İstanbul", "ISPARTA", "ısparta", "STRASSE", "Straße", "ΣΊΣΥΦΟΣ", "σίσυφος",
        "100%_a.b*",
        "Ǆ", "ǆ", "K",
    ]
    private static let found: [(text: String, names: [String])] = [
        ("été", ["ÉTÉ 2026", "été 2025"]), ("ÉTÉ", ["ÉTÉ 2026", "été 2025"]), ("ete", []),
        ("istanbul", ["İstanbul"]), ("ISTANBUL", ["İstanbul"]), ("isparta", ["ISPARTA", "ısparta"]),
        ("strasse", ["STRASSE"]), ("STRASSE", ["STRASSE"]), ("straße", ["Straße"]), ("STRAẞE", ["Straße"]),
        ("σίσυφος", ["ΣΊΣΥΦΟΣ", "σίσυφος"]), ("%_A.B*", ["100%_a.b*"]), (".", ["100%_a.b*"]), ("ǅ", ["Ǆ", "ǆ"]),
        ("k", ["K"]), ("\\", []), ("[a-z]", []), ("", names),
    ]

    @Test func namesAreFoundTheSameUnderEveryLocale() async throws {
        let locales = try await Self.locales()
        #expect(locales.count >= 2)
        for locale in locales {
            try await TestDatabase.withEmpty(locale: locale) { test in
                try await Self.migrate(test)
                let workspace = try await test.makeAdministered("named")
                try await Self.with(test, workspace) { client, _ in
                    _ = try await client.send(SetPartner(partner: "tinyclues"))
                    for (index, name) in Self.names.enumerated() {
                        let id = Identifier("c-\(index + 10)")
                        _ = try await client.send(CreateCohort(partner: "tinyclues", cohortID: id, name: name))
                        _ = try await client.send(CreateSegment(segmentID: id, name: name, filter: .everyone))
                    }
                    for (text, names) in Self.found {
                        let cohorts = try await client.send(ListCohorts(nameContains: text)).cohorts.map(\.name)
                        #expect(cohorts == names, "cohorts with \(text) under \(locale)")
                        let segments = try await client.send(ListSegments(nameContains: text)).segments.map(\.name)
                        #expect(segments == names, "segments with \(text) under \(locale)")
                    }
                }
            }
        }
    }

    /// The usual one, and of those that this PostgreSQL has, some that fold otherwise.
    private static func locales() async throws -> [String] {
        try await TestDatabase.withEmpty { test in
            try await TestDatabase.open(test.ownerURL) { database in
                let there = try await database.read(
                    deadline: .soon, "SELECT DISTINCT collname::text || '/' || collprovider::text FROM pg_collation"
                ) { row in try row.value(0, as: String.self) }
                let known = [
                    ("C/c", "LOCALE 'C'"), ("C.utf8/c", "LOCALE 'C.utf8'"), ("en_US.utf8/c", "LOCALE 'en_US.utf8'"),
                    ("tr_TR.utf8/c", "LOCALE 'tr_TR.utf8'"),
                    ("tr-x-icu/i", "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'tr'"),
                    ("de-x-icu/i", "LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de'"),
                    ("pg_c_utf8/b", "LOCALE 'C' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"),
                ]
                let missing = known.filter { known in !there.contains { $0 == known.0 || known.0 == "C/c" } }
                if !missing.isEmpty { print("Not tried, since this PostgreSQL has no such locale:", missing.map(\.1)) }
                return known.filter { known in !missing.contains { $0.0 == known.0 } }.map(\.1)
            }
        }
    }

    /// `SQL, DMY` writes 11 October as 11/10, and India's time as IST, which is read as Israel's.
    @Test func daysAndMonthsDoNotDependOnTheSettingsOfTheDatabase() async throws {
        let usual = try await TestDatabase.withEmpty { test in
            try await Self.migrate(test)
            return try await Self.bounds(test)
        }
        try await TestDatabase.withEmpty { test in
            let name = try ConnectionString(test.ownerURL)["dbname"] ?? ""
            try await TestDatabase.open(test.ownerURL) { database in
                try await database.withConnection(deadline: .soon) { connection in
                    try connection.run(
                        script: """
                            ALTER DATABASE \(name) SET datestyle = 'SQL, DMY';
                            ALTER DATABASE \(name) SET timezone = 'Asia/Kolkata'
                            """)
                }
            }
            try await Self.migrate(test)
            #expect(try await Self.bounds(test) == usual)
            let workspace = try await test.makeAdministered("dated")
            try await Self.with(test, workspace) { client, store in
                _ = try await client.send(CreateSegment(segmentID: "all", name: "all", filter: .everyone))
                let now = Instant.now
                _ = try await store.maintenance.in(workspace.id).recordSizes(at: now)
                let sizes = try await store.in(workspace.id).segments
                    .dailySizes(of: "all", endingAt: now, length: 1)
                #expect(sizes?.map(\.time) == [now.day])
            }
        }
    }

    /// The partitions of events and purchases, as PostgreSQL compares them.
    private static func bounds(_ test: TestDatabase) async throws -> [String] {
        try await TestDatabase.open(test.ownerURL) { database in
            try await database.transaction(deadline: .soon) { connection in
                try connection.execute("SET LOCAL timezone = 'UTC'")
                try connection.execute("SET LOCAL datestyle = 'ISO'")
                return try connection.query(
                    """
                    SELECT relname::text || ' ' || pg_get_expr(relpartbound, oid) FROM pg_class
                    WHERE relispartition AND relkind = 'r' ORDER BY relname
                    """
                ) { row in try row.value(0, as: String.self) }
            }
        }
    }

    private static func migrate(_ test: TestDatabase) async throws {
        try await TestDatabase.open(test.ownerURL, connections: 1) { database in
            _ = try await Schema(database: database).migrate(logger: quietLogger, deadline: .now + .seconds(60))
        }
    }

    private static func with(
        _ test: TestDatabase, _ workspace: NewWorkspace, _ body: (MusterClient, Store) async throws -> Void
    ) async throws {
        let server = try await TestServer(databaseURL: test.serverURL, workspace: workspace)
        let client = server.client()
        try await cleaningUp(
            {
                await client.close()
                await server.stop()
            }, after: { try await body(client, server.store) })
    }
}
