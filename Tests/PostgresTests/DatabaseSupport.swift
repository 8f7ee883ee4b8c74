import Foundation
import Logging
import Postgres
import TestSupport

/// A database with its own connections, on the server of `DATABASE_URL`.
func withDatabase<R>(
    _ configure: (inout DatabaseSettings) -> Void = { _ in }, at url: String? = nil, logger: Logger = quietLogger,
    _ body: (Database) async throws -> R
) async throws -> R {
    var settings = DatabaseSettings(connectionString: try url ?? databaseURL())
    settings.connections = 2
    configure(&settings)
    let database = Database(settings, logger: logger)
    do {
        let result = try await body(database)
        await database.close()
        return result
    } catch {
        await database.close()
        throw error
    }
}

/// A database in which `schema` is first in the search path; the schema is dropped afterwards.
func withSchema<R>(
    _ configure: @escaping (inout DatabaseSettings) -> Void = { _ in }, script: String = "",
    _ body: (Database) async throws -> R
) async throws -> R {
    let schema = "test_\(UUID().uuidString.replacing("-", with: "").lowercased())"
    return try await withDatabase { settings in
        settings.sessionSettings["search_path"] = schema
        configure(&settings)
    } _: { database in
        try await database.transaction(deadline: soon) { try $0.run(script: "CREATE SCHEMA \(schema); \(script)") }
        func drop() async throws {
            try await withDatabase { admin in
                try await admin.transaction(deadline: soon) {
                    try $0.run(script: "SET LOCAL client_min_messages = warning; DROP SCHEMA \(schema) CASCADE")
                }
            }
        }
        do {
            let result = try await body(database)
            try await drop()
            return result
        } catch {
            try await drop()
            throw error
        }
    }
}

func databaseURL() throws -> String {
    guard let url = ProcessInfo.processInfo.environment["DATABASE_URL"], !url.isEmpty else {
        throw Sentence(
            "DATABASE_URL is not set: these tests need PostgreSQL 15 or newer and a role that may create roles")
    }
    return url
}

struct Sentence: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A deadline that no passing test reaches.
var soon: ContinuousClock.Instant { .now + .seconds(10) }

/// The error of `body`, which must be a `PostgresError`.
func failure(_ body: () async throws -> Void) async throws -> PostgresError {
    do { try await body() } catch let error as PostgresError { return error }
    throw Sentence("nothing was thrown")
}

/// Waits until `condition` is true, for ten seconds at most, and throws where it stays false.
func untilTrue(_ condition: () async throws -> Bool) async throws {
    guard try await eventually(condition) else { throw TookTooLong() }
}
