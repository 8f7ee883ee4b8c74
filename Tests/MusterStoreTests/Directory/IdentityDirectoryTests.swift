import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

/// The identity directory without a database: versions, the log, readers beside a writer, collisions.
struct IdentityDirectoryTests {
    @Test func aDirectoryAnswersAtItsOwnVersionOnly() {
        var random = TestSeed("aDirectoryAnswersAtItsOwnVersionOnly").random
        let (known, unknown) = (random.digest(), random.digest())
        let at = SetVersion(version: 7, tag: 70)
        let directory = IdentityDirectory(at: at)
        directory.enter([.make(known, 3)])
        #expect(directory.user(of: known, at: at) == .some(.some(3)))
        #expect(directory.user(of: unknown, at: at) == .some(.none))
        #expect(directory.users(of: [unknown, known], at: at) == [nil, 3])
        for other in [SetVersion(version: 7, tag: 71), SetVersion(version: 8, tag: 70), .none] {
            #expect(directory.user(of: known, at: other) == .none)
            #expect(directory.users(of: [known], at: other) == nil)
            #expect(directory.areIdentified([3], at: other) == nil)
        }
    }

    @Test func theLogMovesAddsAndRemovesIdentifiers() {
        var random = TestSeed("theLogMovesAddsAndRemovesIdentifiers").random
        let digests = (0..<4).map { _ in random.digest() }
        let start = SetVersion(version: 1, tag: 10)
        let directory = IdentityDirectory(at: start)
        directory.enter([.make(digests[0], 0), .make(digests[1], 1), .make(digests[2], 2)])
        let changes = [
            // A merge: what moves is in `come`, even where the same row has it in `gone`.
            IdentifierLogRow(version: 2, previousTag: 10, gone: [digests[0]], come: [.make(digests[1], 2)]),
            IdentifierLogRow(
                version: 3, previousTag: 20, gone: [digests[3]],
                come: [.make(digests[3], 4), .make(digests[3], 5, isExternalID: true)]),
        ]
        let head = SetVersion(version: 3, tag: 30)
        #expect(directory.apply(changes, from: start, to: head))
        #expect(directory.version == head)
        #expect(directory.users(of: digests, at: head) == [nil, 2, 2, 5])
        #expect(directory.areIdentified([1, 2, 4, 5, 1_000], at: head) == [false, false, false, true, false])
        #expect(directory.count == 3)
    }

    /// As after maintenance deleted rows, or after a fail-over to a standby without the last commits.
    @Test func rowsThatDoNotLeadToTheHeadChangeNothing() {
        var random = TestSeed("rowsThatDoNotLeadToTheHeadChangeNothing").random
        let digest = random.digest()
        let start = SetVersion(version: 5, tag: 50)
        let directory = IdentityDirectory(at: start)
        directory.enter([.make(digest, 1)])
        func row(_ version: Int64, after tag: Int64) -> IdentifierLogRow {
            IdentifierLogRow(version: version, previousTag: tag, gone: [digest], come: [])
        }
        let wrong: [([IdentifierLogRow], SetVersion)] = [
            ([row(7, after: 60)], SetVersion(version: 7, tag: 70)),
            ([row(6, after: 51)], SetVersion(version: 6, tag: 60)),
            ([row(6, after: 50), row(8, after: 70)], SetVersion(version: 7, tag: 70)),
            ([row(6, after: 50)], SetVersion(version: 7, tag: 70)),
            ([], SetVersion(version: 6, tag: 60)), ([], SetVersion(version: 5, tag: 51)),
            ([], SetVersion(version: 4, tag: 40)),
        ]
        for (changes, head) in wrong { #expect(!directory.apply(changes, from: start, to: head)) }
        #expect(directory.version == start)
        #expect(directory.users(of: [digest], at: start) == [1])
        #expect(directory.apply([], from: start, to: start))
    }

    /// Every version moves every identifier, so a reader that saw half of a row would notice.
    @Test func aReaderBesideAWriterFindsAWholeVersionOrNone() async {
        var random = TestSeed("aReaderBesideAWriterFindsAWholeVersionOrNone").random
        let digests = (0..<6_000).map { _ in random.digest() }
        let versions = Int64(300)
        @Sendable func user(_ position: Int, _ version: Int64) -> UserNumber {
            UserNumber(rawValue: UInt32((position * 7 + Int(version) * 13) % 997))
        }
        @Sendable func at(_ version: Int64) -> SetVersion { SetVersion(version: version, tag: version * 3) }
        let directory = IdentityDirectory(at: at(0))
        directory.enter(digests.enumerated().map { .make($1, user($0, 0)) })
        let isOver = Flag()
        await withTaskGroup(of: Int.self) { group in
            for size in [1, 64, 6_000] {
                group.addTask {
                    var answers = 0
                    while !isOver.isRaised {
                        // Two readers would keep both threads of a small machine from the writer.
                        await Task.yield()
                        let version = directory.version
                        guard let users = directory.users(of: Array(digests.prefix(size)), at: version) else {
                            continue
                        }
                        answers += 1
                        let wrong = users.indices.count { users[$0] != user($0, version.version) }
                        if wrong > 0 { return 0 }
                    }
                    return answers
                }
            }
            group.addTask {
                for version in 1...versions {
                    let come = digests.enumerated().map { LoggedIdentifier.make($1, user($0, version)) }
                    let change = IdentifierLogRow(
                        version: version, previousTag: at(version - 1).tag, gone: [], come: come)
                    #expect(directory.apply([change], from: at(version - 1), to: at(version)))
                }
                isOver.raise()
                return 1
            }
            for await answers in group { #expect(answers > 0) }
        }
    }

    /// After a fail-over to a standby without the last commits, a part of what was read may be of no version.
    @Test func aLoadOfPartsThatAreNotOfItsHistoryIsRefused() {
        let start = SetVersion(version: 1, tag: 10)
        let rows = [
            IdentifierLogRow(version: 2, previousTag: 10, gone: [], come: []),
            IdentifierLogRow(version: 3, previousTag: 20, gone: [], come: []),
        ]
        func isLoaded(_ seen: SetVersion...) -> Bool {
            IdentityDirectory(at: start).finishLoading(
                rows, to: SetVersion(version: 3, tag: 30), readAt: Set(seen))
        }
        #expect(isLoaded(start, SetVersion(version: 2, tag: 20), SetVersion(version: 3, tag: 30)))
        #expect(!isLoaded(start, SetVersion(version: 2, tag: 21)))
        #expect(!isLoaded(SetVersion(version: 4, tag: 40)))
    }

    /// What a collision does: an unknown identifier finds somebody. With 96 bits no test can find one.
    @Test func digestsCutTo16BitsFindWrongUsers() {
        var random = TestSeed("digestsCutTo16BitsFindWrongUsers").random
        let known = (0..<3_000).map { _ in random.digest() }
        let unknown = (0..<3_000).map { _ in random.digest() }
        func wrong(_ kept: FingerprintBits) -> (unknown: Int, known: Int) {
            let directory = IdentityDirectory(at: .none, kept: kept)
            directory.enter(known.enumerated().map { .make($1, UserNumber(rawValue: UInt32($0))) })
            let found = directory.users(of: known + unknown, at: .none) ?? []
            return (
                found.dropFirst(3_000).count { $0 != nil },
                zip(found, known.indices).count { $0?.rawValue != UInt32($1) }
            )
        }
        let (cut, whole) = (wrong(.sixteen), wrong(.all))
        #expect(cut.unknown > 50 && cut.known > 20)
        #expect(whole == (0, 0))
    }
}

extension LoggedIdentifier {
    static func make(_ digest: IdentifierDigest, _ user: UserNumber, isExternalID: Bool = false) -> LoggedIdentifier {
        LoggedIdentifier(digest: digest, user: user, isExternalID: isExternalID)
    }
}

extension FingerprintBits {
    /// So few that some of a thousand identifiers have the same.
    static let sixteen = FingerprintBits(first: 0xFF, second: 0xFF00_0000)
}
