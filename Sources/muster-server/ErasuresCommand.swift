import ArgumentParser
import Logging
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
                // Read all files before the first erasure: a mistyped name must change nothing.
                let journals = try Journals(files: files)
                isDamaged = journals.isDamaged
                for line in journals.unread { print(line.description) }
                let (named, erased) = try await journals.apply(to: schema, logger)
                print("\(named) registrations named, \(erased) erased, \(named - erased) not found")
            }
            if isDamaged { throw ExitCode.failure }
        }
    }
}

/// Journals of erasures that a restored database lacks.
struct Journals {
    /// A line from which no user could be read.
    struct UnreadLine: CustomStringConvertible {
        let file: String
        let number: Int
        let isDamaged: Bool

        var description: String {
            isDamaged
                ? "\(file), line \(number): damaged; whom it names is not erased: look for another copy of the file"
                : "\(file), line \(number): cut short, as by a crash; passed over"
        }
    }

    private var content = JournalContent()
    private(set) var unread: [UnreadLine] = []

    /// Reads the files. Throws `JournalUnreadable`.
    init(files: [String]) throws {
        for file in files {
            let one = try JournalContent(file: file)
            unread += one.truncated.map { UnreadLine(file: file, number: $0, isDamaged: false) }
            unread += one.damaged.map { UnreadLine(file: file, number: $0, isDamaged: true) }
            content.formUnion(one)
        }
    }

    var isDamaged: Bool { unread.contains(where: \.isDamaged) }

    /// Erases the users in the journals. Returns the number of registrations in them, and how many of those existed.
    func apply(to schema: Schema, _ logger: Logger) async throws -> (named: Int, erased: Int) {
        let store = Store(database: schema.database, logger: logger)
        var (named, erased) = (0, 0)
        for (workspace, registrations) in content.registrations.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            named += registrations.count
            erased += try await store.in(WorkspaceScope(workspace, deadline: .now + .seconds(86_400))).erasures
                .apply(registrations)
        }
        return (named, erased)
    }
}
