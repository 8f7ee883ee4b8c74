import MusterClient
import MusterProtocol
import MusterTestSupport
import Testing

/// `segments.check` and `segments.of`: by every way to name a user, in one state, as old as the caller allows and no
/// older.
@Suite struct CheckTests {
    @Test func aUserIsFoundByEveryIdentifier() async throws {
        try await withMuster { muster in
            let ada = UserEntry(externalID: "ada", aliases: [Alias(label: "crm", name: "1")], deviceIDs: ["d-1"])
            let anonymous = UserEntry(aliases: [Alias(label: "crm", name: "2")], deviceIDs: ["d-2"])
            _ = try await muster.send(UpsertUsers(users: [ada, anonymous]))
            let change = CohortChange.adding(userIDs: ["ada"], deviceIDs: ["d-2"])
            _ = try await muster.send(ImportCohort(partner: "tinyclues", cohortID: "c", changes: [change]))
            let (filter, unknown) = (Filter.cohort("tinyclues", "c"), Alias(label: "other", name: "1"))
            _ = try await muster.send(CreateSegment(segmentID: "in", name: "In", filter: filter))
            _ = try await muster.send(CreateSegment(segmentID: "out", name: "Out", filter: .not(filter)))
            let known: [UserReference] = [
                .externalID("ada"), .alias(Alias(label: "crm", name: "1")), .deviceID("d-1"),
                .alias(Alias(label: "crm", name: "2")), .deviceID("d-2"),
            ]
            let nobody: [UserReference] = [.externalID("1"), .alias(unknown), .deviceID("ada"), .externalID("")]
            let reply = try await muster.send(CheckSegments(users: known + nobody, segments: ["in", "out", "in"]))
            #expect(
                reply.results == known.map { _ in .init(.known, in: [true, false, true]) }
                    + nobody.map { _ in .init(.unknown, in: [false, false, false]) })
            for user in known {
                let of = try await muster.send(SegmentsOfUser(user: user))
                #expect(of.segments == [.init(segmentID: "in", name: "In")])
            }
            for user in nobody {
                await refused(.notFound, "there is no such user") {
                    _ = try await muster.send(SegmentsOfUser(user: user))
                }
            }
        }
    }

    @Test func aThousandUsersAndAHundredSegmentsAreAnsweredAtOnce() async throws {
        let ids = (0..<1_000).map { Identifier("u-\($0)") }
        try await withMuster(users: ids) { muster in
            for cohort in 0..<10 {
                let members = IdentifierList(stride(from: 0, to: 1_000, by: cohort + 1).map { ids[$0] })
                try await muster.importCohort(Identifier("c\(cohort)"), adding: members)
            }
            let segments = (0..<100).map { Identifier("s\($0)") }
            for (index, segment) in segments.enumerated() {
                let (with, without) = (index / 10, index % 10)
                let filter = Filter.all([
                    .cohort("tinyclues", Identifier("c\(with)")), .not(.cohort("tinyclues", Identifier("c\(without)"))),
                ])
                _ = try await muster.send(CreateSegment(segmentID: segment, name: "x", filter: filter))
            }
            let reply = try await muster.send(
                CheckSegments(users: ids.map(UserReference.externalID), segments: segments, withVersions: true))
            for (user, result) in reply.results.enumerated() {
                let expected = (0..<100).map { user % ($0 / 10 + 1) == 0 && user % ($0 % 10 + 1) != 0 }
                #expect(result.in == expected)
            }
            #expect(reply.versions?.cohorts.count == 10)
            #expect(reply.versions?.segments.count == 100)
            let of = try await muster.send(SegmentsOfUser(user: .externalID("u-6")))
            #expect(of.segments.count == (0..<100).count { 6 % ($0 / 10 + 1) == 0 && 6 % ($0 % 10 + 1) != 0 })
        }
    }

    @Test func aStaleReplyIsNeverOlderThanAllowed() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("c", removing: ["u-1"])
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: .cohort("tinyclues", "c")))
            // Another server, so that no import goes through the memory that is asked.
            let other = try await TestServer(databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            let reader = other.client()
            /// By size, `of` and check: each asks for itself, and what one has looked up is not the next one's excuse.
            func isIn(_ staleness: Int?) async throws -> [Bool] {
                let size = SizeSegment(segmentID: "s", maxStalenessMilliseconds: staleness)
                let of = SegmentsOfUser(user: .externalID("u-1"), maxStalenessMilliseconds: staleness)
                let check = CheckSegments(
                    users: [.externalID("u-1")], segments: ["s"], maxStalenessMilliseconds: staleness)
                let counted = try await reader.send(size).size == 1
                let listed = try await reader.send(of).segments.count == 1
                return [counted, listed, try await reader.send(check).results[0].in[0]]
            }
            var wasStale = false
            for round in 0..<6 {
                let wanted = round % 2 == 0
                _ = try await isIn(60_000)
                try await muster.importCohort("c", adding: wanted ? ["u-1"] : [], removing: wanted ? [] : ["u-1"])
                let changed = ContinuousClock.now
                if try await isIn(60_000) == [!wanted, !wanted, !wanted] { wasStale = true }
                // Every cached state is older than this by now.
                try await Task.sleep(for: .milliseconds(60))
                let allowed = Int((ContinuousClock.now - changed) / .milliseconds(1)) - 5
                #expect(try await isIn(allowed) == [wanted, wanted, wanted])
                #expect(try await isIn(0) == [wanted, wanted, wanted])
                #expect(try await isIn(nil) == [wanted, wanted, wanted])
            }
            #expect(wasStale, "an answer from memory is expected where it is allowed")
            await reader.close()
            await other.stop()
        }
    }

    @Test func aStaleReplyShowsNoUserErasedBeforeIt() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            try await muster.importCohort("c", adding: ["u-1"])
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: .cohort("tinyclues", "c")))
            let ask = { (staleness: Int) in
                CheckSegments(users: [.externalID("u-1")], segments: ["s"], maxStalenessMilliseconds: staleness)
            }
            _ = try await muster.send(ask(60_000))
            _ = try await muster.send(MergeUsers(merge: .externalID("u-1"), keep: .externalID("u-2")))
            try await Task.sleep(for: .milliseconds(20))
            let after = try await muster.send(ask(10))
            #expect(after.results == [.init(.unknown, in: [false])])
            let kept = try await muster.send(CheckSegments(users: [.externalID("u-2")], segments: ["s"]))
            #expect(kept.results == [.init(.known, in: [true])])
        }
    }

    /// The erasing server drops its cached states at once, others within the allowed age.
    @Test(arguments: ["deleted", "merged", "identified"])
    func anErasedUserIsInNoReplyOfTheErasingServer(how: String) async throws {
        try await withMuster(users: ["kept"]) { muster in
            let gone = UserReference.deviceID("d-1")
            _ = try await muster.send(UpsertUsers(users: [UserEntry(deviceIDs: ["d-1"], attributes: ["a": 1])]))
            _ = try await muster.send(
                ImportCohort(partner: "tinyclues", cohortID: "c", changes: [.adding(deviceIDs: ["d-1"])]))
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: .cohort("tinyclues", "c")))
            let other = try await TestServer(databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            let elsewhere = other.client()
            let check = CheckSegments(users: [gone], segments: ["s"], maxStalenessMilliseconds: 60_000)
            let size = SizeSegment(segmentID: "s", maxStalenessMilliseconds: 60_000)
            for client in [muster.client, elsewhere] {
                #expect(try await client.send(check).results == [.init(.known, in: [true])])
                #expect(try await client.send(size).size == 1)
            }
            switch how {
            case "deleted": _ = try await muster.send(DeleteUsers(users: [gone]))
            case "merged": _ = try await muster.send(MergeUsers(merge: gone, keep: .externalID("kept")))
            default: _ = try await muster.send(IdentifyUser(user: gone, externalID: "kept"))
            }
            let acknowledged = ContinuousClock.now
            // A device moves to the kept user, and has no user after an erasure.
            let expected = CheckResult(how == "deleted" ? .unknown : .known, in: [how != "deleted"])
            #expect(try await muster.send(check).results == [expected])
            #expect(try await muster.send(size).size == (how == "deleted" ? 0 : 1))
            try await Task.sleep(for: .milliseconds(50))
            let allowed = Int((ContinuousClock.now - acknowledged) / .milliseconds(1)) - 5
            for staleness in [allowed, 0] {
                let later = CheckSegments(users: [gone], segments: ["s"], maxStalenessMilliseconds: staleness)
                #expect(try await elsewhere.send(later).results == [expected])
            }
            await elsewhere.close()
            await other.stop()
        }
    }

    @Test func anEarlierStateCanBeAskedForAgain() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3", "u-4"]) { muster in
            try await muster.importCohort("a", adding: ["u-1", "u-2", "u-3"])
            try await muster.importCohort("b", adding: ["u-3"])
            let filter = Filter.all([.cohort("tinyclues", "a"), .not(.cohort("tinyclues", "b"))])
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: filter))
            let first = try await muster.send(SizeSegment(segmentID: "s", withVersions: true))
            let versions = try #require(first.versions)
            #expect(first.size == 2)
            #expect(versions.attributes == nil && versions.cohorts.map(\.version) == [1, 1])
            try await muster.importCohort("a", removing: ["u-1"])
            try await muster.importCohort("b", adding: ["u-2"])
            try await muster.register(["u-5"])
            let now = try await muster.send(SizeSegment(segmentID: "s"))
            let then = try await muster.send(SizeSegment(segmentID: "s", withVersions: true, at: versions))
            #expect(now.size == 0 && then.size == 2 && then.versions == versions)
            func membersThen() async throws -> [Identifier] {
                let reply = try await muster.send(ListSegmentMembers(segmentID: "s", at: versions))
                #expect(reply.size == reply.members.count)
                let size = try await muster.send(SizeSegment(segmentID: "s", at: versions))
                #expect(size.size == reply.members.count)
                return reply.members.compactMap(\.externalID)
            }
            #expect(try await membersThen() == ["u-1", "u-2"])
            // Less the erased; merged ones as the kept one.
            _ = try await muster.send(MergeUsers(merge: .externalID("u-1"), keep: .externalID("u-4")))
            #expect(try await membersThen() == ["u-4", "u-2"])
            _ = try await muster.send(DeleteUsers(users: [.externalID("u-2")]))
            #expect(try await membersThen() == ["u-4"])
        }
    }

    @Test func theStateOfACohortIsNotThatOfOneMadeLater() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let filter = Filter.cohort("tinyclues", "c")
            try await muster.importCohort("c", adding: ["u-1"])
            let versions = try await muster.send(SizeSegment(filter: filter, withVersions: true)).versions
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "c"))
            try await muster.importCohort("c", adding: ["u-1", "u-2"])
            await refused(.outOfRange, "at names a version that is not kept") {
                _ = try await muster.send(SizeSegment(filter: filter, at: versions))
            }
            await refused(.outOfRange, "at names a version that is not kept") {
                _ = try await muster.send(ListSegmentMembers(filter: filter, at: versions))
            }
        }
    }

    @Test func anEarlierStateWithoutHistoryIsRefused() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("a", adding: ["u-1"])
            let attribute = Filter.any([.cohort("tinyclues", "a"), .attribute("x", .exists)])
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: .cohort("tinyclues", "a")))
            let versions = try #require(try await muster.send(SizeSegment(segmentID: "s", withVersions: true)).versions)
            let noHistory = "filter.any[1].attribute: attributes, identifiers and events have no history"
            let withAttributes = try await muster.send(SizeSegment(filter: attribute, withVersions: true))
            #expect(withAttributes.versions?.attributes != nil)
            await refused(.failedPrecondition, noHistory) {
                _ = try await muster.send(SizeSegment(filter: attribute, at: versions))
            }
            await refused(.failedPrecondition, noHistory) {
                _ = try await muster.send(ListSegmentMembers(filter: attribute, at: versions))
            }
            for (everyone, cohort) in [(versions.everyone, 99), (99, 1), (-1, 1), (versions.everyone, -1)]
                as [(Int64, Int64)]
            {
                var never = versions
                (never.everyone, never.cohorts[0].version) = (everyone, cohort)
                await refused(.outOfRange, "at names a version that is not kept") {
                    _ = try await muster.send(SizeSegment(segmentID: "s", at: never))
                }
            }
            await refused(.invalidArgument, "at must name a version of everything that the filter uses") {
                _ = try await muster.send(
                    SizeSegment(segmentID: "s", at: Versions(everyone: 1, segments: versions.segments)))
            }
            _ = try await muster.send(UpdateSegment(segmentID: "s", filter: .everyone))
            await refused(.failedPrecondition, "segment \"s\" was changed since; begin again") {
                _ = try await muster.send(SizeSegment(segmentID: "s", at: versions))
            }
        }
    }
}
