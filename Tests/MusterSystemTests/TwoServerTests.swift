import MusterClient
import MusterHandlers
import MusterProtocol
import MusterSets
import MusterTestSupport
import Postgres
import Testing

@testable import MusterStore

/// Two servers on one database give the same answers at the same time.
@Suite struct TwoServerTests {
    @Test func anImportThroughOneServerIsInTheNextReadOfTheOther() async throws {
        try await ServerPair.with(users: .users(0..<60), cacheBytes: (1_000, 64 << 20)) { pair in
            _ = try await pair.throughA.importCohort("c", removing: ["u-0"])
            _ = try await pair.throughA.send(CreateSegment(segmentID: "s", name: "s", filter: .cohort("c")))
            for round in 0..<60 {
                let (writer, reader) = (pair.clients[round % 2], pair.clients[1 - round % 2])
                let user = Identifier("u-\(round)")
                try await writer.importCohort("c", adding: [user])
                #expect(try await reader.size(of: .cohort("c")) == round + 1)
                #expect(try await reader.members(of: .cohort("c")).last == Member(externalID: user))
                #expect(try await reader.members(ofCohort: "c").last == Member(externalID: user))
                let check = CheckSegments(users: [.externalID(user)], segments: ["s"])
                #expect(try await reader.send(check).results == [CheckResult(.known, in: [true])])
                let of = SegmentsOfUser(user: .externalID(user))
                #expect(try await reader.send(of).segments.map(\.segmentID) == ["s"])
                let cohort = GetCohort(partner: "tinyclues", cohortID: "c")
                #expect(try await reader.send(cohort).version == Int64(round + 2))
            }
        }
    }

    /// Definitions, users and attributes are kept in memory too.
    @Test func aSegmentCreatedAgainUnderItsOldIDIsTheNewOne() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            try await pair.throughA.importCohort("c", adding: ["u-0"])
            var versions: Set<Int64> = []
            for round in 0..<6 {
                let filter = round % 2 == 0 ? Filter.cohort("c") : .not(.cohort("c"))
                let writer = pair.clients[round / 2 % 2]
                let made = try await writer.send(CreateSegment(segmentID: "s", name: "s", filter: filter))
                for client in pair.clients {
                    #expect(try await client.send(SizeSegment(segmentID: "s")).size == 1 + round % 2)
                    let members = client.entries(of: ListSegmentMembers(segmentID: "s", pageSize: 1))
                    #expect(try await members.reduce(into: 0) { count, _ in count += 1 } == 1 + round % 2)
                    let check = CheckSegments(users: [.externalID("u-0")], segments: ["s"])
                    #expect(try await client.send(check).results.first?.in == [round % 2 == 0])
                    let of = try await client.send(SegmentsOfUser(user: .externalID("u-0")))
                    #expect(of.segments.isEmpty == (round % 2 == 1))
                }
                #expect(
                    versions.insert(made.version).inserted, "a version that this id had before means another filter")
                _ = try await writer.send(DeleteSegment(segmentID: "s"))
            }
        }
    }

    /// Each server knows definitions of different age: a mix of them may name what is gone, or go in a circle.
    @Test func cachedDefinitionsOfDifferentAgeAreNoError() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            let (writer, reader) = (pair.throughA, pair.throughB)
            try await writer.importCohort("c", adding: ["u-0"])
            _ = try await writer.send(CreateSegment(segmentID: "b", name: "b", filter: .cohort("c")))
            _ = try await writer.send(CreateSegment(segmentID: "a", name: "a", filter: .segment("b")))
            func expect(_ segments: [Identifier]) async throws {
                let of = SegmentsOfUser(user: .externalID("u-0"))
                #expect(try await reader.send(of).segments.map(\.segmentID) == segments)
                for id in segments { #expect(try await reader.send(SizeSegment(segmentID: id)).size == 1) }
            }
            try await expect(["a", "b"])
            // The reader has cached that a means b, and learns that b means a.
            _ = try await writer.send(UpdateSegment(segmentID: "a", filter: .cohort("c")))
            _ = try await writer.send(UpdateSegment(segmentID: "b", filter: .segment("a")))
            #expect(try await reader.send(SizeSegment(segmentID: "b")).size == 1)
            try await expect(["a", "b"])
            // The reader has cached that b means a, and knows only that a was deleted.
            _ = try await writer.send(UpdateSegment(segmentID: "b", filter: .cohort("c")))
            _ = try await writer.send(DeleteSegment(segmentID: "a"))
            #expect(await reader.code(of: SizeSegment(segmentID: "a")) == .notFound)
            #expect(await reader.code(of: SizeSegment(filter: .not(.segment("a")))) == .invalidArgument)
            try await expect(["b"])
        }
    }

    @Test func aFilterLargerThanMemoryIsAnswered() async throws {
        try await ServerPair.with(users: .users(0..<600), cacheBytes: (1_000, 4_000)) { pair in
            for number in 0..<8 {
                try await pair.throughA.importCohort(
                    Identifier("c-\(number)"), adding: .users(number * 50..<number * 50 + 150))
            }
            let filter = Filter.any((0..<8).map { Filter.cohort(Identifier("c-\($0)")) })
            for client in pair.clients { #expect(try await client.size(of: filter) == 500) }
        }
    }

    // MARK: A history that is rewound

    /// As when PostgreSQL fails over to a standby that lacks the last commits, and others take their version numbers.
    @Test func aRewoundHistoryIsNoticedDespiteAWarmCache() async throws {
        try await ServerPair.with(users: .users(0..<10)) { pair in
            _ = try await pair.throughA.send(
                CreateSegment(segmentID: "s", name: "s", filter: .not(.attribute("n", .exists))))
            for round in 0..<3 {
                try await pair.clients[round % 2].importCohort("c", adding: [Identifier("u-\(round)")])
            }
            try await warm(pair, ["u-0", "u-1", "u-2"])
            // Version 3 is now one that added u-9.
            try await pair.rewindCohort("c", toVersion: 2, thenAdding: 9)
            try await warm(pair, ["u-0", "u-1", "u-9"])
            // And now it does not exist.
            try await pair.rewindCohort("c", toVersion: 2, thenAdding: nil)
            try await warm(pair, ["u-0", "u-1"])
            // A write continues from there on a server that has not read since.
            try await pair.rewindCohort("c", toVersion: 1, thenAdding: 8)
            let reply = try await pair.throughB.importCohort("c", adding: ["u-5", "u-1"])
            #expect(reply.version == 3)
            #expect(reply.size == 4)
            #expect(reply.receipt == Receipt(received: 2, added: 2))
            try await warm(pair, ["u-0", "u-1", "u-5", "u-8"])
            try await pair.expectSound()
        }
    }

    /// Every kind of read, on both servers: what one read caches, others use.
    private func warm(_ pair: ServerPair, _ expected: [Identifier]) async throws {
        let members = expected.map { Member(externalID: $0) }
        for client in pair.clients {
            #expect(try await client.members(ofCohort: "c") == members)
            #expect(try await client.size(of: .cohort("c")) == expected.count)
            #expect(try await client.members(of: .cohort("c")) == members)
            let version = try await client.send(GetCohort(partner: "tinyclues", cohortID: "c")).version
            #expect(try await client.members(ofCohort: "c", at: version) == members)
            let difference = client.entries(of: DiffCohort(partner: "tinyclues", cohortID: "c", fromVersion: 0))
            #expect(try await difference.reduce(into: []) { $0.append($1) } == members.map(CohortDifference.entered))
            let versions = try await client.send(SizeSegment(filter: .cohort("c"), withVersions: true)).versions
            #expect(try await client.send(SizeSegment(filter: .cohort("c"), at: versions)).size == expected.count)
        }
    }
}
