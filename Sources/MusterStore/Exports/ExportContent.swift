import MusterProtocol
import MusterSets
import MusterUsers
import Postgres
import Zip

/// The files of an archive before they are zipped, one behind the other.
struct ExportContent: Sendable {
    /// About as many as in a file of Braze's.
    private static let usersPerFile = 5_000
    /// Users that are read at once: a user's attributes may take more than a hundred kilobytes.
    private static let usersPerPage = 500

    let file: TemporaryFile
    private(set) var entries: [ZipArchive.Entry] = []
    /// Who is in it.
    private(set) var users: MemberSet

    private let prefix: String
    private var length = 0

    /// All of `members` whom there still is, a page of short transactions at a time.
    init(of export: ClaimedExport, members: MemberSet, from exports: ExportRunner) async throws {
        file = try TemporaryFile()
        prefix = export.exportID
        users = members
        var last: UserNumber?
        var (usersInFile, start) = (0, 0)
        while true {
            let numbers = members.users(after: last, limit: Self.usersPerPage)
            guard let end = numbers.last else { break }
            try await write(try await exports.page(numbers, of: members, for: export), insteadOf: numbers)
            last = end
            usersInFile += numbers.count
            if usersInFile >= Self.usersPerFile {
                addEntry(from: start)
                (usersInFile, start) = (0, length)
            }
        }
        // Also an archive of nobody has a file: without any it would be none.
        if usersInFile > 0 || entries.isEmpty { addEntry(from: start) }
    }

    private mutating func write(
        _ page: [UserNumber: (shown: UserNumber, user: ExportedUser)], insteadOf numbers: [UserNumber]
    )
        async throws
    {
        var lines: [UInt8] = []
        for number in numbers {
            guard let entry = page[number] else { continue }
            try JSONEncoding.append(entry.user, to: &lines)
            lines.append(UInt8(ascii: "\n"))
        }
        try lines.withUnsafeBytes { try file.write($0, at: length) }
        length += lines.count
        let others = numbers.filter { page[$0]?.shown != $0 }
        guard !others.isEmpty else { return }
        users = users.subtracting(MemberSet(users: others)).union(
            MemberSet(users: others.compactMap { page[$0]?.shown }))
    }

    private mutating func addEntry(from start: Int) {
        let number = String(entries.count)
        let padded = String(repeating: "0", count: max(0, 6 - number.count)) + number
        entries.append(.init(name: "\(prefix)-\(padded).json", start: start, length: length - start))
    }
}

extension ExportRunner {
    /// The users behind numbers of a set, by the number that each stands for; see `shown`.
    fileprivate func page(
        _ numbers: [UserNumber], of members: MemberSet, for export: ClaimedExport
    ) async throws -> [UserNumber: (shown: UserNumber, user: ExportedUser)] {
        try await within(.seconds(30)).readTransaction { transaction in
            var users = try transaction.exportedUsers(numbers, export.shape)
            let missing = numbers.filter { users[$0] == nil }
            let kept = try transaction.kept(for: missing, in: members)
            users.merge(try transaction.exportedUsers(Array(kept.values), export.shape)) {
                own, _ in
                own
            }
            var page: [UserNumber: (shown: UserNumber, user: ExportedUser)] = [:]
            for number in numbers {
                let shown = kept[number] ?? number
                if let user = users[shown] { page[number] = (shown, user) }
            }
            return page
        }
    }
}
