package import MusterProtocol
package import MusterSets

/// What the look-up of an identifier of an import finds.
package enum Resolution: Sendable, Equatable {
    case user(UserNumber)
    case unknown
    /// A device of a user with an external id: such a device names nobody.
    case identifiedDevice
    case invalid
}

/// The identifiers of an import in the order of the request, and what each resolves to.
package struct ImportBatch: Sendable {
    /// Consecutive positions of one kind and one direction.
    private struct Run {
        var range: Range<Int>
        var removes: Bool
    }

    private var runs: [Run] = []
    /// How many identifiers there are, invalid ones too.
    package private(set) var count = 0
    private var resolutions: [Resolution]
    /// The valid identifiers of each kind.
    package private(set) var userIDs = IndexedIdentifiers()
    package private(set) var deviceIDs = IndexedIdentifiers()
    package private(set) var aliases: [Alias] = []
    /// The position of each of `aliases` in the import.
    package private(set) var aliasPositions: [Int] = []

    /// Validates the identifiers of an import.
    package init(_ changes: [CohortChange]) {
        resolutions = Array(repeating: .unknown, count: changes.reduce(0) { $0 + $1.identifierCount })
        for change in changes {
            let start = count
            for invalid in userIDs.append(change.userIDs, from: count) { resolutions[invalid] = .invalid }
            count += change.userIDs.count
            for invalid in deviceIDs.append(change.deviceIDs, from: count) { resolutions[invalid] = .invalid }
            count += change.deviceIDs.count
            for alias in change.aliases { append(alias) }
            runs.append(Run(range: start..<count, removes: change.shouldRemove))
        }
    }

    private mutating func append(_ alias: Alias) {
        if alias.problem == nil {
            aliases.append(alias)
            aliasPositions.append(count)
        } else {
            resolutions[count] = .invalid
        }
        count += 1
    }

    /// Notes what the identifier at a position resolves to.
    package mutating func resolve(position: Int, as resolution: Resolution) {
        resolutions[position] = resolution
    }

    /// The users to add and to remove. Where an import names a user twice, the last position decides.
    package struct RequestedChange: Sendable {
        package let adding: MemberSet
        package let removing: MemberSet
        /// For each position whether it decides.
        fileprivate let decides: [Bool]
    }

    /// What the resolved import asks for.
    package var requestedChange: RequestedChange {
        var seen = SeenNumbers(upTo: resolutions.lazy.compactMap(\.user).max())
        var decides = Array(repeating: false, count: count)
        var (adding, removing): ([UInt32], [UInt32]) = ([], [])
        for run in runs.reversed() {
            for position in run.range.reversed() {
                guard let user = resolutions[position].user, seen.mark(user) else { continue }
                decides[position] = true
                if run.removes { removing.append(user.rawValue) } else { adding.append(user.rawValue) }
            }
        }
        return RequestedChange(adding: MemberSet(adding), removing: MemberSet(removing), decides: decides)
    }

    /// The outcome of each position, given the users that the set really gained and lost.
    package func outcomes(of request: RequestedChange, added: MemberSet, removed: MemberSet) -> [OutcomeRun] {
        var outcomes: [OutcomeRun] = []
        for run in runs {
            let effective = run.removes ? removed : added
            let effect: Outcome = run.removes ? .removed : .added
            for position in run.range {
                let outcome: Outcome =
                    switch resolutions[position] {
                    case .unknown: .unknown
                    case .identifiedDevice: .identifiedDevice
                    case .invalid: .invalid
                    case .user(let user):
                        if request.decides[position] {
                            effective.contains(user.rawValue) ? effect : .unchanged
                        } else {
                            .repeated
                        }
                    }
                outcomes.append(one: outcome)
            }
        }
        return outcomes
    }
}

extension Resolution {
    fileprivate var user: UserNumber? { if case .user(let user) = self { user } else { nil } }
}

extension [OutcomeRun] {
    fileprivate mutating func append(one outcome: Outcome) {
        if last?.outcome == outcome { self[count - 1].count += 1 } else { append(OutcomeRun(outcome, 1)) }
    }
}

/// Which numbers were seen: a bit each, which for the numbers of one import is faster than a set.
private struct SeenNumbers {
    private var words: [UInt64]

    init(upTo largest: UserNumber?) {
        words = Array(repeating: 0, count: largest.map { Int($0.rawValue / 64) + 1 } ?? 0)
    }

    /// Returns false where the number was marked before.
    mutating func mark(_ user: UserNumber) -> Bool {
        let (word, bit) = (Int(user.rawValue / 64), UInt64(1) << UInt64(user.rawValue % 64))
        defer { words[word] |= bit }
        return words[word] & bit == 0
    }
}
