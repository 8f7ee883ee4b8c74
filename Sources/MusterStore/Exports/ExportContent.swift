import MusterProtocol
import MusterSets
import MusterUsers
import Postgres
import Zip

/// The files of an archive before compression, concatenated.
struct ExportContent: Sendable {
    /// About as many as in Braze's files.
    private static let usersPerFile = 5_000
    /// Users that are read at once: a user's attributes may exceed a hundred kilobytes.
    private static let usersPerPage = 500

    let file: TemporaryFile
    private(set) var entries: [ZipArchive.Entry] = []
    /// The users in the archive.
    private(set) var users: MemberSet

    private let prefix: String
    private var length = 0

    /// Writes all of `members` that still exist, one page for each short transaction.
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
        // An archive without users needs a file too: a zip without entries is not an archive.
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
    /// The users for numbers of a set, by set number, each with the user that is shown for it; see `shown`.
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
