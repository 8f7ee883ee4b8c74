import MusterClient
import MusterProtocol
import MusterTestSupport
import Testing

/// Samples of segments: drawn with a seed, and the same wherever that is used again.
@Suite struct SampleTests {
    private static let ids = (0..<500).map { Identifier("u-\($0)") }
    private static let filter = Filter.not(.cohort("tinyclues", "few"))

    private func withUsers(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster(users: Self.ids) { muster in
            try await muster.importCohort("few", adding: IdentifierList(Self.ids.prefix(100)))
            try await body(muster)
        }
    }

    @Test func aSeedGivesTheSameUsersOnEveryServer() async throws {
        try await withUsers { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: Self.filter))
            let other = try await TestServer(databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            let elsewhere = other.client()
            let call = ListSegmentMembers(segmentID: "s", sample: 40, seed: 7)
            let here = try await muster.send(call)
            let numbers = here.members.compactMap { Self.ids.firstIndex(of: $0.externalID ?? "") }
            #expect(here.size == 400 && here.seed == 7 && here.nextPageToken == nil && here.versions == nil)
            #expect(numbers.count == 40 && Set(numbers).count == 40 && numbers.allSatisfy { $0 >= 100 })
            #expect(numbers == numbers.sorted())
            #expect(try await elsewhere.send(call) == here)
            // The filter itself, rather than the segment, makes no difference.
            #expect(
                try await elsewhere.send(ListSegmentMembers(filter: Self.filter, sample: 40, seed: 7)).members
                    == here.members)
            let another = try await muster.send(ListSegmentMembers(segmentID: "s", sample: 40, seed: -7))
            #expect(another.members.count == 40 && another.members != here.members)
            await elsewhere.close()
            await other.stop()
        }
    }

    @Test func theServerDrawsAMissingSeedAndNamesIt() async throws {
        try await withUsers { muster in
            let first = try await muster.send(ListSegmentMembers(filter: Self.filter, sample: 5))
            let second = try await muster.send(ListSegmentMembers(filter: Self.filter, sample: 5))
            let seed = try #require(first.seed)
            #expect((0..<1 << 53).contains(seed) && second.seed != seed && second.members != first.members)
            let again = try await muster.send(ListSegmentMembers(filter: Self.filter, sample: 5, seed: seed))
            #expect(again == first)
            #expect(try await muster.send(ListSegmentMembers(filter: Self.filter)).seed == nil)
        }
    }

    @Test func aSampleOfMoreThanThereAreIsEverybody() async throws {
        try await withUsers { muster in
            for count in [100, 101, 10_000] {
                let call = ListSegmentMembers(filter: .cohort("tinyclues", "few"), sample: count)
                let reply = try await muster.send(call)
                #expect(reply.members.compactMap(\.externalID) == Array(Self.ids.prefix(100)) && reply.size == 100)
            }
            let nobody = try await muster.send(ListSegmentMembers(filter: .any([]), sample: 3))
            #expect(nobody.members == [] && nobody.size == 0)
        }
    }

    @Test func anEarlierStateGivesItsSampleAgainWithoutTheErased() async throws {
        try await withUsers { muster in
            let call = ListSegmentMembers(
                filter: Self.filter, allIdentifiers: true, withVersions: true, sample: 50, seed: 3)
            let before = try await muster.send(call)
            let erased = try #require(before.members.first?.externalID)
            try await muster.register(["late"])
            try await muster.importCohort("few", adding: ["u-400", "u-401"])
            _ = try await muster.send(DeleteUsers(users: [.externalID(erased)]))
            var then = call
            then.at = before.versions
            let after = try await muster.send(then)
            #expect(after.members == Array(before.members.dropFirst()))
            #expect(after.size == 399 && after.versions == before.versions)
        }
    }

    @Test func everyUserComesUp() async throws {
        try await withUsers { muster in
            var drawn: Set<Identifier> = []
            for seed in 0..<12 {
                let call = ListSegmentMembers(filter: Self.filter, sample: 200, seed: Int64(seed))
                drawn.formUnion(try await muster.send(call).members.compactMap(\.externalID))
            }
            #expect(drawn == Set(Self.ids.dropFirst(100)))
        }
    }
}
