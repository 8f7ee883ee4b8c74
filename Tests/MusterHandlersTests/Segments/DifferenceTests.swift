import MusterClient
import MusterProtocol
import MusterTestSupport
import Postgres
import Testing

/// `segments.diff`: who entered, left and stayed.
@Suite struct DifferenceTests {
    private static let (a, b) = (
        Audience(filter: .cohort("tinyclues", "a")), Audience(filter: .cohort("tinyclues", "b"))
    )
    private static let ids = (0..<60).map { Identifier("u-\($0)") }

    /// Users u-0 to u-59; cohort a has 0 to 29 and cohort b 20 to 49.
    private func withCohorts(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster(users: Self.ids) { muster in
            try await muster.importCohort("a", adding: IdentifierList(Self.ids[0..<30]))
            try await muster.importCohort("b", adding: IdentifierList(Self.ids[20..<50]))
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: .cohort("tinyclues", "a")))
            try await body(muster)
        }
    }

    private func entries(_ call: DiffSegments, _ muster: MusterUnderTest) async throws -> [Identifier] {
        var members: [Identifier] = []
        for try await member in muster.client.entries(of: call) { members.append(member.externalID ?? "") }
        return members
    }

    @Test(arguments: [3, 1_000]) func eachListOfADifferenceIsShownInPages(pageSize: Int) async throws {
        try await withCohorts { muster in
            let expected: [DifferenceList: ArraySlice<Identifier>] = [
                .entered: Self.ids[30..<50], .left: Self.ids[0..<20], .stayed: Self.ids[20..<30],
            ]
            for list in DifferenceList.allCases {
                for from in [Self.a, Audience(segmentID: "s")] {
                    let call = DiffSegments(from: from, to: Self.b, list: list, pageSize: pageSize)
                    let first = try await muster.send(call)
                    #expect(first.entered == 20 && first.left == 20 && first.stayed == 10)
                    #expect(first.fromVersions == nil && first.toVersions == nil)
                    #expect(try await entries(call, muster) == Array(expected[list] ?? []))
                }
            }
            let call = DiffSegments(from: Self.a, to: Self.b, pageSize: pageSize)
            #expect(try await entries(call, muster) == Array(Self.ids[30..<50]))
            let none = try await muster.send(DiffSegments(from: Self.a, to: Self.a))
            #expect(none.entered == 0 && none.left == 0 && none.stayed == 30 && none.members == [])
        }
    }

    @Test func aSegmentIsComparedWithItsEarlierState() async throws {
        try await withCohorts { muster in
            let before = try await muster.send(SizeSegment(segmentID: "s", withVersions: true)).versions
            try await muster.importCohort("a", adding: ["u-55"], removing: ["u-0", "u-1"])
            let now = Audience(segmentID: "s")
            let call = DiffSegments(from: .init(segmentID: "s", at: before), to: now, withVersions: true)
            let reply = try await muster.send(call)
            #expect(reply.entered == 1 && reply.left == 2 && reply.stayed == 28)
            #expect(reply.members == [Member(externalID: "u-55")])
            #expect(
                reply.fromVersions?.cohorts.map(\.version) == [1] && reply.toVersions?.cohorts.map(\.version) == [2])
            // Both states, later.
            try await muster.importCohort("a", removing: ["u-2"])
            let again = DiffSegments(
                from: .init(segmentID: "s", at: reply.toVersions), to: .init(segmentID: "s", at: before), list: .left)
            #expect(try await entries(again, muster) == ["u-55"])
            let back = DiffSegments(from: now, to: .init(segmentID: "s", at: reply.toVersions), list: .entered)
            #expect(try await entries(back, muster) == ["u-2"])
        }
    }

    @Test(arguments: [1, 1_000]) func usersOfAnEarlierStateCountAsWhatTheyAreNow(pageSize: Int) async throws {
        try await withCohorts { muster in
            let before = try await muster.send(SizeSegment(segmentID: "s", withVersions: true)).versions
            func user(_ number: Int) -> UserReference { .externalID(Identifier("u-\(number)")) }
            // 0 is erased; 1 becomes 58, who takes the place; 2 becomes 3, who is in it; 4 to 6 leave.
            _ = try await muster.send(DeleteUsers(users: [user(0)]))
            _ = try await muster.send(MergeUsers(merge: user(1), keep: user(58)))
            _ = try await muster.send(MergeUsers(merge: user(2), keep: user(3)))
            try await muster.importCohort("a", adding: ["u-59"], removing: ["u-4", "u-5", "u-6"])
            var call = DiffSegments(
                from: .init(segmentID: "s", at: before), to: .init(segmentID: "s"), pageSize: pageSize)
            let reply = try await muster.send(call)
            #expect(reply.entered == 1 && reply.left == 3 && reply.stayed == 25)
            #expect(try await entries(call, muster) == ["u-59"])
            call.list = .left
            #expect(try await entries(call, muster) == ["u-4", "u-5", "u-6"])
            call.list = .stayed
            let stayed = ["u-3"] + Self.ids[7..<30] + ["u-58"]
            #expect(try await entries(call, muster) == stayed)
        }
    }

    /// Once found again by its versions, once stored.
    @Test(arguments: [false, true]) func pagesShowTheStateOfTheFirst(withAttributes: Bool) async throws {
        try await withCohorts { muster in
            let extra = Filter.attribute("x", .doesNotExist)
            let from = withAttributes ? Filter.all([.cohort("tinyclues", "a"), extra]) : .cohort("tinyclues", "a")
            var call = DiffSegments(from: .init(filter: from), to: Self.b, list: .left, pageSize: 4)
            var members: [Identifier] = []
            var round = 0
            while true {
                let page = try await muster.send(call)
                #expect(page.entered == 20 && page.left == 20 && page.stayed == 10)
                members += page.members.compactMap(\.externalID)
                guard let token = page.nextPageToken else { break }
                call.pageToken = token
                // Meanwhile the cohorts change, and u-10 to u-13 are erased before their page.
                try await muster.importCohort("a", removing: [Identifier("u-\(round + 15)")])
                if round < 2 {
                    let erased = [10 + 2 * round, 11 + 2 * round].map {
                        UserReference.externalID(Identifier("u-\($0)"))
                    }
                    _ = try await muster.send(DeleteUsers(users: erased))
                }
                round += 1
            }
            #expect(members == Array(Self.ids[0..<10] + Self.ids[14..<20]))
            let stored = try await muster.database.asOwner { connection in
                try connection.query("SELECT count(*) FROM set_head WHERE kind = 'listing'") { row in
                    try row.value(0, as: Int64.self)
                }
            }
            #expect(stored == [withAttributes ? 1 : 0])
        }
    }

    @Test(arguments: [false, true]) func aPageOfChangedFiltersOrAnotherListIsRefused(isStored: Bool) async throws {
        try await withCohorts { muster in
            if isStored {
                _ = try await muster.send(
                    UpdateSegment(
                        segmentID: "s", filter: .all([.cohort("tinyclues", "a"), .not(.attribute("x", .exists))])))
            }
            var call = DiffSegments(from: Self.b, to: .init(segmentID: "s"), pageSize: 2)
            call.pageToken = try await muster.send(call).nextPageToken
            var other = call
            other.list = .left
            await refused(.invalidArgument, "page_token does not belong to this request") {
                _ = try await muster.send(other)
            }
            _ = try await muster.send(call)
            _ = try await muster.send(UpdateSegment(segmentID: "s", filter: .everyone))
            await refused(.failedPrecondition, "segment \"s\" was changed since; begin again") {
                _ = try await muster.send(call)
            }
        }
    }

    @Test func aRecreatedCohortIsNoEarlierState() async throws {
        try await withCohorts { muster in
            var call = DiffSegments(from: Self.a, to: Self.b, pageSize: 2)
            call.pageToken = try await muster.send(call).nextPageToken
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "b"))
            try await muster.importCohort("b", adding: ["u-1"])
            await refused(.outOfRange, "page_token names a version that is not kept") {
                _ = try await muster.send(call)
            }
        }
    }

    @Test func aSideThatCannotBeReadIsNamed() async throws {
        try await withCohorts { muster in
            func refusal(_ from: Audience, _ to: Audience) async -> RPCError? {
                await #expect(throws: RPCError.self) { _ = try await muster.send(DiffSegments(from: from, to: to)) }
            }
            let now = try await muster.send(SizeSegment(segmentID: "s", withVersions: true)).versions
            let missing = Audience(filter: .not(.cohort("tinyclues", "nope")))
            let attribute = Audience(filter: .attribute("x", .exists), at: now)
            var never = now
            never?.everyone = 99
            let cases: [(Audience, Audience, RPCCode, String, String)] = [
                (.init(), Self.a, .invalidArgument, "from.segment_id", "name either from.segment_id or from.filter"),
                (
                    Self.a, .init(segmentID: "s", filter: .everyone), .invalidArgument, "to.segment_id",
                    "name either to.segment_id or to.filter"
                ),
                (Self.a, .init(segmentID: "nope"), .notFound, "to.segment_id", "there is no segment \"nope\""),
                (
                    .init(segmentID: "nope", at: now), Self.a, .notFound, "from.segment_id",
                    "there is no segment \"nope\""
                ),
                (
                    missing, missing, .invalidArgument, "from.filter.not.cohort.cohort_id",
                    "from.filter.not.cohort: there is no cohort"
                ),
                (
                    Self.a, missing, .invalidArgument, "to.filter.not.cohort.cohort_id",
                    "to.filter.not.cohort: there is no cohort"
                ),
                (
                    Self.a, attribute, .failedPrecondition, "to.at",
                    "to.filter.attribute: attributes and events have no history; leave to.at out"
                ),
                (
                    .init(segmentID: "s", at: .init(everyone: 1, segments: now?.segments ?? [])), Self.a,
                    .invalidArgument, "from.at", "from.at must name a version of everything"
                ),
                (
                    Self.a, .init(segmentID: "s", at: never), .outOfRange, "to.at",
                    "to.at names a version that is not kept"
                ),
            ]
            for (from, to, code, field, message) in cases {
                let error = await refusal(from, to)
                #expect(error?.code == code && error?.details.string("field") == field, "\(String(describing: error))")
                #expect(error?.message.hasPrefix(message) == true, "\(String(describing: error))")
            }
        }
    }
}
