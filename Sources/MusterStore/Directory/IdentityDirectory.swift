import Locking
import MusterUsers

/// A row of the log of identifiers.
struct IdentifierLogRow: Sendable {
    let version: Int64
    /// The tag of the version before.
    let previousTag: Int64
    /// Those that find nobody any more.
    let gone: [IdentifierDigest]
    /// Those that find another user, or one at all.
    let come: [LoggedIdentifier]
}

/// Which identifier finds which user of one workspace, in memory, at one version of the head of identifiers.
///
/// It keeps 96 bits of a keyed digest of each identifier, and no identifier. In ten million look-ups of unknown
/// identifiers among ten million known ones, one finds a user with a probability of 10^-15. Without the key nobody can
/// construct such an identifier.
final class IdentityDirectory: Sendable {
    private struct State: ~Copyable {
        var version: SetVersion
        var table = IdentifierTable()
        var identified = NumberBits()

        init(at version: SetVersion) { self.version = version }

        mutating func enter(_ entry: LoggedIdentifier, _ kept: FingerprintBits) {
            table.put(Fingerprint(entry.digest, kept: kept), entry.user)
            // An identified user stays so until erased, and no number is given to a second user.
            if entry.isExternalID { identified.insert(entry.user) }
        }
    }

    private let state: Locked<State>
    private let kept: FingerprintBits

    /// Look-ups under one lock: about 200 microseconds, for which other threads may wait.
    private static let lookups = 4_096

    /// Makes an empty directory, to be filled from the tables as of `version` or later.
    ///
    /// - Parameter kept: the bits of digests that it keeps; fewer in tests.
    init(at version: SetVersion, kept: FingerprintBits = .all) {
        self.kept = kept
        state = Locked(State(at: version))
    }

    /// The version of the head of identifiers at which it is.
    var version: SetVersion { state.withLock { $0.version } }

    /// The identifiers that it holds.
    var count: Int { state.withLock { $0.table.count } }

    /// The memory that it takes.
    var byteCount: Int { state.withLock { $0.table.byteCount + $0.identified.byteCount } }

    /// The user of an identifier at `version`; an outer nil if the directory is of another version.
    func user(of digest: IdentifierDigest, at version: SetVersion) -> UserNumber?? {
        let fingerprint = Fingerprint(digest, kept: kept)
        return state.withLock { state in
            guard state.version == version else { return nil }
            return .some(state.table[fingerprint])
        }
    }

    /// The user of each identifier at `version`; nil if the directory is of another version.
    ///
    /// Takes the lock once, for an import's thousands once for each 4,096.
    func users(of digests: [IdentifierDigest], at version: SetVersion) -> [UserNumber?]? {
        let fingerprints = digests.map { Fingerprint($0, kept: kept) }
        guard fingerprints.count > Self.lookups else { return part(fingerprints, at: version) }
        var users: [UserNumber?] = []
        users.reserveCapacity(fingerprints.count)
        for start in stride(from: 0, to: fingerprints.count, by: Self.lookups) {
            let end = min(start + Self.lookups, fingerprints.count)
            guard let found = part(Array(fingerprints[start..<end]), at: version) else { return nil }
            users += found
        }
        return users
    }

    private func part(_ fingerprints: [Fingerprint], at version: SetVersion) -> [UserNumber?]? {
        var users = [UserNumber?](repeating: nil, count: fingerprints.count)
        let isCurrent = state.withLock { state in
            guard state.version == version else { return false }
            state.table.find(fingerprints) { users[$0] = $1 }
            return true
        }
        return isCurrent ? users : nil
    }

    /// Whether each of these users has an external id at `version`; nil if the directory is of another version.
    func areIdentified(_ users: [UserNumber], at version: SetVersion) -> [Bool]? {
        state.withLock { state in
            guard state.version == version else { return nil }
            return users.map { state.identified.contains($0) }
        }
    }

    /// Enters identifiers from the tables, while nobody else knows the directory.
    func enter(_ entries: [LoggedIdentifier]) {
        state.withLock { state in
            for entry in entries { state.enter(entry, kept) }
        }
    }

    /// Applies the rows of the log from the directory's version to `head`, each in one step, so that a reader finds a
    /// whole version or none. Returns false, and changes nothing, if the rows don't lead there.
    ///
    /// If another thread applies some of them at the same time, each is applied once.
    func apply(_ changes: [IdentifierLogRow], from start: SetVersion, to head: SetVersion) -> Bool {
        guard Int64(changes.count) == head.version - start.version, changes.first?.previousTag == start.tag,
            zip(changes, (start.version + 1)...).allSatisfy({ $0.version == $1 })
        else { return start == head }
        let tags = changes.dropFirst().map(\.previousTag) + [head.tag]
        for (change, tag) in zip(changes, tags) {
            apply(change, as: SetVersion(version: change.version, tag: tag))
        }
        return true
    }

    /// Applies the rows of the log since the version at which a load began. Returns false if they don't lead to `head`,
    /// or not by each version at which a part was read: after a fail-over to a standby without the last commits, that
    /// part may have identifiers that no row takes back.
    func finishLoading(_ changes: [IdentifierLogRow], to head: SetVersion, readAt seen: Set<SetVersion>) -> Bool {
        let start = version
        let way = Set(changes.map { SetVersion(version: $0.version - 1, tag: $0.previousTag) } + [start, head])
        return seen.isSubset(of: way) && apply(changes, from: start, to: head)
    }

    private func apply(_ change: IdentifierLogRow, as version: SetVersion) {
        state.withLock { state in
            guard state.version == SetVersion(version: change.version - 1, tag: change.previousTag) else { return }
            for digest in change.gone { state.table.remove(Fingerprint(digest, kept: kept)) }
            for entry in change.come { state.enter(entry, kept) }
            state.version = version
        }
    }
}

/// A bit for each user number.
private struct NumberBits {
    private var words: [UInt64] = []

    var byteCount: Int { words.capacity * 8 }

    mutating func insert(_ user: UserNumber) {
        let word = Int(user.rawValue / 64)
        if word >= words.count { words += Array(repeating: 0, count: word + 1 - words.count) }
        words[word] |= 1 << UInt64(user.rawValue % 64)
    }

    func contains(_ user: UserNumber) -> Bool {
        let word = Int(user.rawValue / 64)
        return word < words.count && words[word] & 1 << UInt64(user.rawValue % 64) != 0
    }
}
