import ArgumentParser
import MusterStore

/// `muster-server verify`
struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replays every set from its log and names what is wrong; exit code 1 where anything is.",
        discussion: """
            Checks checksums, versions without gaps, chained tags, effective changes, snapshots, heads, that everyone is \
            the registered users, that the logs of segments and identifiers are complete, and that an identity directory \
            finds the same user for every identifier as the tables. Each set is read as of one moment, without a lock: it \
            holds nothing back, and may run beside servers.
            """)

    @OptionGroup var common: CommonOptions

    func run() async throws {
        var problems = 0
        try await withOwner(common) { schema, _, logger in
            try await schema.check(deadline: .now + .seconds(30))
            // Rows that a policy hides would be reported as missing, though they are not damaged.
            try await schema.checkAccess(deadline: .now + .seconds(30))
            let store = Store(database: schema.database, logger: logger)
            let report = try await store.maintenance.verify(deadline: .now + .seconds(86_400))
            for problem in report.problems { print(problem) }
            problems = report.problems.count
            print(
                "\(report.sets) sets, \(report.changes) changes, \(report.identifiers) identifiers, \(problems) problems"
            )
        }
        if problems > 0 { throw ExitCode.failure }
    }
}
