import Foundation
import MusterProtocol

/// The comparison: member rows, filled by `\copy` and a join in psql.
struct Baseline {
    let url: String
    let folder: String

    init(_ url: String, _ folder: String) {
        self.url = url
        self.folder = folder
    }

    struct Failed: Error {}

    /// Runs a script in one psql and returns its output.
    @discardableResult
    func run(_ script: String) throws -> String {
        let file = folder + "/script.sql"
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["psql", url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", file]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed() }
        return String(decoding: data, as: UTF8.self)
    }

    func prepare() throws {
        try run(
            """
            CREATE TABLE IF NOT EXISTS bench_member (cohort int4, user_number int4, PRIMARY KEY (cohort, user_number));
            TRUNCATE bench_member;
            """)
    }

    /// Makes files of `size` identifiers each, and a script that imports them one by one, each in a transaction.
    func importScript(_ ids: [Identifier], batches size: Int, cohort: Int) throws -> String {
        var script = "CREATE TEMP TABLE incoming (external_id text COLLATE \"C\");\n"
        for start in stride(from: 0, to: ids.count, by: size) {
            let file = "\(folder)/batch-\(cohort)-\(start).txt"
            let lines = ids[start..<min(start + size, ids.count)].map(\.text).joined(separator: "\n")
            try (lines + "\n").write(toFile: file, atomically: true, encoding: .utf8)
            script += """
                BEGIN; TRUNCATE incoming;
                \\copy incoming FROM '\(file)'
                INSERT INTO bench_member SELECT \(cohort), u.user_number FROM incoming i
                JOIN registered_user u ON u.workspace_id = 1 AND u.external_id = i.external_id
                ON CONFLICT DO NOTHING;
                COMMIT;

                """
        }
        return script
    }
}
