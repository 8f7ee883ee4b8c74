import MusterUsers
import Postgres

/// Why a directory was not loaded.
enum DirectoryProblem: Error, CustomStringConvertible {
    case tooLarge
    /// The log of identifiers doesn't lead from the start of the load to its end, or not by what was read.
    case changedTooMuch
    /// Calls that arrived before may have digests of the earlier key.
    case otherKey

    var description: String {
        switch self {
        case .tooLarge: "the directory does not fit into the memory for directories"
        case .changedTooMuch: "the log of identifiers does not reach back to the start of the load"
        case .otherKey: "the workspace has another key of digests than before: restart the server"
        }
    }
}

/// Loads the directory of one workspace, range by range, each in a transaction of its own: one transaction for all
/// would hold a connection for a minute, and delay VACUUM.
///
/// So the ranges are read at different versions. The log of identifiers since the version before the first range makes
/// them one version: an identifier that changed since then is in it, and one that didn't was read as it is.
struct DirectoryLoading: Sendable {
    let database: Database
    let workspace: WorkspaceID
    var kept = FingerprintBits.all
    /// About a megabyte, and a hundredth of a second.
    var usersPerRange: UInt32 = 8_192
    /// What a user takes, as an estimate of what is not read yet: the identifier that everybody has.
    var bytesPerUser = 24

    /// - Parameters:
    ///   - begin: is called with what the directory starts from.
    ///   - mayTake: whether the directory may take this many bytes. It is asked before each range, with a better
    ///     estimate each time.
    func load(
        begin: (DirectoryStart) throws -> Void = { _ in }, mayTake: (Int) -> Bool = { _ in true }
    ) async throws -> IdentityDirectory {
        let start = try await snapshot { transaction in try transaction.directoryStart() }
        try begin(start)
        let directory = IdentityDirectory(at: start.head, kept: kept)
        let key = try start.key
        var seen: Set<SetVersion> = []
        guard mayTake(start.users * bytesPerUser) else { throw DirectoryProblem.tooLarge }
        for range in start.ranges(of: usersPerRange) {
            let began = ContinuousClock.now
            seen.insert(
                try await snapshot { transaction in
                    directory.enter(try transaction.directoryEntries(of: range, key: key))
                    return try transaction.identifiersHead()
                })
            let rest = Double(start.end - range.upperBound) / Double(start.end)
            guard mayTake(directory.byteCount + Int(Double(start.users) * rest) * bytesPerUser) else {
                throw DirectoryProblem.tooLarge
            }
            // As long as the range took, so that others have PostgreSQL for half of the time at least.
            if range.upperBound < start.end { try await Task.sleep(for: .now - began) }
        }
        try await finish(directory, seen)
        return directory
    }

    /// Applies the log since the version before the first range.
    private func finish(_ directory: IdentityDirectory, _ seen: Set<SetVersion>) async throws {
        let start = directory.version
        let (head, changes) = try await snapshot { transaction in
            let head = try transaction.identifiersHead()
            return (head, try transaction.identifierChanges(after: start.version, upTo: head.version))
        }
        guard directory.finishLoading(changes, to: head, readAt: seen) else { throw DirectoryProblem.changedTooMuch }
    }

    private func snapshot<R: Sendable>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        let scope = WorkspaceScope(workspace, deadline: .now + .seconds(30))
        return try await database.snapshot(
            for: scope.caller, variables: scope.variables, deadline: scope.deadline, scope.lending(body))
    }
}
