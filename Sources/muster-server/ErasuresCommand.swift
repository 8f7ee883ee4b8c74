import ArgumentParser
import MusterStore

/// `muster-server erasures`
struct Erasures: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Applies journals of erasures, as the role that owns the tables.", subcommands: [Apply.self])

    /// `muster-server erasures apply`
    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Erases again what journals name, after a restore and before servers start.",
            discussion: """
                Name the journals of all servers (setting erasure_journal), with those that were put aside since the backup. \
                Registrations that were erased before the backup, or made after it, are not found; nobody else is erased, and \
                nothing happens when it is run again. A line that a crash cut short belongs to no acknowledged erasure. Where a \
                line is damaged the rest is applied, and the exit code is 1.
                """)

        @OptionGroup var common: CommonOptions
        @Argument(help: "Files of the journal.") var files: [String]

        func run() async throws {
            var isDamaged = false
            try await withOwner(common) { schema, _, logger in
                try await schema.check(deadline: .now + .seconds(30))
                try await schema.checkAccess(deadline: .now + .seconds(30))
                // All of them before the first erasure: a name that is mistyped should change nothing.
                let journals = try files.map { (file: $0, content: try JournalContent(file: $0)) }
                isDamaged = journals.contains { !$0.content.damaged.isEmpty }
                for (file, content) in journals { Self.tell(content, of: file) }
                var all = JournalContent()
                for (_, content) in journals { all.formUnion(content) }
                let store = Store(database: schema.database, logger: logger)
                var (named, erased) = (0, 0)
                for (workspace, registrations) in all.registrations.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                    named += registrations.count
                    erased += try await store.applyErasures(
                        registrations, in: workspace, deadline: .now + .seconds(86_400))
                }
                print("\(named) registrations named, \(erased) erased, \(named - erased) not found")
            }
            if isDamaged { throw ExitCode.failure }
        }

        private static func tell(_ content: JournalContent, of file: String) {
            for line in content.cut { print("\(file), line \(line): cut short, as by a crash; passed over") }
            for line in content.damaged {
                print("\(file), line \(line): damaged; whom it names is not erased: look for another copy of the file")
            }
        }
    }
}
