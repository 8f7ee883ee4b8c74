import MusterProtocol
import MusterSets

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What an identifier of an import came to when it was looked up.
enum Resolution: Sendable, Equatable {
    case user(UInt32)
    case unknown
    case identifiedDevice
    case invalid
}

/// The identifiers of an import in the order of the request, and what each was found to be.
struct ImportBatch: Sendable {
    /// Consecutive positions of one kind and one direction.
    private struct Run {
        var range: Range<Int>
        var removes: Bool
    }

    private var runs: [Run] = []
    private(set) var count = 0
    private(set) var resolutions: [Resolution]
    /// The well-formed ones of each kind.
    private(set) var userIDs = IndexedIdentifiers()
    private(set) var deviceIDs = IndexedIdentifiers()
    private(set) var aliases: [Alias] = []
    private(set) var aliasPositions: [Int] = []

    init(_ changes: [CohortChange]) {
        resolutions = Array(repeating: .unknown, count: changes.reduce(0) { $0 + $1.identifierCount })
        for change in changes {
            let start = count
            for invalid in userIDs.take(change.userIDs, from: count) { resolutions[invalid] = .invalid }
            count += change.userIDs.count
            for invalid in deviceIDs.take(change.deviceIDs, from: count) { resolutions[invalid] = .invalid }
            count += change.deviceIDs.count
            for alias in change.aliases { take(alias) }
            runs.append(Run(range: start..<count, removes: change.shouldRemove))
        }
    }

    private mutating func take(_ alias: Alias) {
        if alias.label.validity == .valid, alias.name.validity == .valid,
            alias.label.bytes.count <= Limits.labelBytes.value
        {
            aliases.append(alias)
            aliasPositions.append(count)
        } else {
            resolutions[count] = .invalid
        }
        count += 1
    }

    mutating func resolve(position: Int, as resolution: Resolution) {
        resolutions[position] = resolution
    }

    /// Whom the import adds and removes, in array order: for a user named twice the last one decides.
    struct RequestedChange {
        var adding: MemberSet
        var removing: MemberSet
        /// For each position whether it decides.
        var decides: [Bool]
    }

    var requestedChange: RequestedChange {
        var seen = SeenNumbers(upTo: resolutions.lazy.compactMap(\.number).max())
        var decides = Array(repeating: false, count: count)
        var (adding, removing): ([UInt32], [UInt32]) = ([], [])
        for run in runs.reversed() {
            for position in run.range.reversed() {
                guard let number = resolutions[position].number, seen.mark(number) else { continue }
                decides[position] = true
                if run.removes { removing.append(number) } else { adding.append(number) }
            }
        }
        return RequestedChange(adding: MemberSet(adding), removing: MemberSet(removing), decides: decides)
    }

    /// What became of each position, given what was really changed.
    func outcomes(of request: RequestedChange, added: MemberSet, removed: MemberSet) -> [OutcomeRun] {
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
                    case .user(let number):
                        if request.decides[position] {
                            effective.contains(number) ? effect : .unchanged
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

/// Well-formed identifiers of one kind, each with its position in the import.
struct IndexedIdentifiers: Sendable {
    private var list = IdentifierList()
    private var positions: [Int] = []

    var isEmpty: Bool { list.isEmpty }

    /// The same in the order of their bytes, in which an index finds them twice as fast as in any other.
    func sorted() -> (list: IdentifierList, positions: [Int]) {
        let order = list.bytes.withUnsafeBytes { bytes in
            list.indices.sorted { left, right in
                bytes[list.range(at: left)].precedes(bytes[list.range(at: right)])
            }
        }
        var sorted = IdentifierList()
        sorted.reserveCapacity(list.count, bytes: list.bytes.count)
        for index in order { list.withBytes(at: index) { sorted.append($0) } }
        return (sorted, order.map { positions[$0] })
    }

    /// Takes over identifiers that begin at `start`; returns the positions of those that are none.
    fileprivate mutating func take(_ more: IdentifierList, from start: Int) -> [Int] {
        var invalid: [Int] = []
        for index in more.indices {
            more.withBytes(at: index) { bytes in
                guard Identifier.Validity(bytes) == .valid else { return invalid.append(start + index) }
                list.append(bytes)
                positions.append(start + index)
            }
        }
        return invalid
    }
}

extension Slice<UnsafeRawBufferPointer> {
    fileprivate func precedes(_ other: Self) -> Bool {
        let common = Swift.min(count, other.count)
        guard let own = UnsafeRawBufferPointer(rebasing: self).baseAddress,
            let others = UnsafeRawBufferPointer(rebasing: other).baseAddress
        else { return count < other.count }
        let order = memcmp(own, others, common)
        return order == 0 ? count < other.count : order < 0
    }
}

extension Resolution {
    fileprivate var number: UInt32? { if case .user(let number) = self { number } else { nil } }
}

extension [OutcomeRun] {
    fileprivate mutating func append(one outcome: Outcome) {
        if last?.outcome == outcome { self[count - 1].count += 1 } else { append(OutcomeRun(outcome, 1)) }
    }
}

/// Which numbers were seen: a bit each, which for the numbers of one import is quicker than any set.
private struct SeenNumbers {
    private var words: [UInt64]

    init(upTo largest: UInt32?) {
        words = Array(repeating: 0, count: largest.map { Int($0 / 64) + 1 } ?? 0)
    }

    /// False where it was marked before.
    mutating func mark(_ number: UInt32) -> Bool {
        let bit = UInt64(1) << UInt64(number % 64)
        defer { words[Int(number / 64)] |= bit }
        return words[Int(number / 64)] & bit == 0
    }
}
