import MusterProtocol
import MusterTestSupport
import Testing

/// What filters mean, and what may become of saved ones.
@Suite struct SegmentTests {
    /// Users u-1 to u-5; cohort a has 1, 2, 3 and cohort b has 3, 4.
    private func withCohorts(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3", "u-4", "u-5"]) { muster in
            try await muster.importCohort("a", adding: ["u-1", "u-2", "u-3"])
            try await muster.importCohort("b", adding: ["u-3", "u-4"])
            try await muster.importCohort("empty", adding: ["nobody"])
            try await body(muster)
        }
    }

    private static let (a, b) = (Filter.cohort("tinyclues", "a"), Filter.cohort("tinyclues", "b"))
    private static let meanings: [(Filter, [Identifier])] = [
        (a, ["u-1", "u-2", "u-3"]), (.all([a, b]), ["u-3"]), (.any([a, b]), ["u-1", "u-2", "u-3", "u-4"]),
        (.not(a), ["u-4", "u-5"]), (.everyone, ["u-1", "u-2", "u-3", "u-4", "u-5"]), (.not(.everyone), []),
        (.all([]), ["u-1", "u-2", "u-3", "u-4", "u-5"]), (.any([]), []), (.all([a]), ["u-1", "u-2", "u-3"]),
        (.all([a, .not(b)]), ["u-1", "u-2"]), (.not(.any([a, b])), ["u-5"]), (.not(.not(b)), ["u-3", "u-4"]),
        (.any([.all([a, b]), .not(.any([a, b]))]), ["u-3", "u-5"]), (.cohort("tinyclues", "empty"), []),
        (.all([a, .not(a)]), []), (.any([a, .not(a)]), ["u-1", "u-2", "u-3", "u-4", "u-5"]),
    ]

    @Test func aFilterMeansTheSameInSizeMembersCheckAndOf() async throws {
        try await withCohorts { muster in
            for (index, (filter, ids)) in Self.meanings.enumerated() {
                let segment = Identifier("s\(index)")
                _ = try await muster.send(CreateSegment(segmentID: segment, name: "x", filter: filter))
                try await expect(filter, segment, ids, muster)
            }
        }
    }

    @Test func savedFiltersWorkInsideOthers() async throws {
        try await withCohorts { muster in
            _ = try await muster.send(
                CreateSegment(segmentID: "a-only", name: "x", filter: .all([Self.a, .not(Self.b)])))
            _ = try await muster.send(CreateSegment(segmentID: "others", name: "x", filter: .not(.segment("a-only"))))
            let filter = Filter.all([.segment("others"), .any([Self.a, Self.b])])
            _ = try await muster.send(CreateSegment(segmentID: "outer", name: "x", filter: filter))
            try await expect(filter, "outer", ["u-3", "u-4"], muster)
            // A change of the innermost one is seen at once.
            _ = try await muster.send(UpdateSegment(segmentID: "a-only", filter: Self.b))
            try await expect(filter, "outer", ["u-1", "u-2"], muster)
        }
    }

    @Test func everyNodeHasItsSizeAndPath() async throws {
        try await withCohorts { muster in
            _ = try await muster.send(
                CreateSegment(segmentID: "a-only", name: "x", filter: .all([Self.a, .not(Self.b)])))
            let filter = Filter.any([.segment("a-only"), .not(.any([Self.a, Self.b])), .attribute("x", .doesNotExist)])
            let reply = try await muster.send(SizeSegment(filter: filter, withNodes: true))
            let nodes = try #require(reply.nodes)
            #expect(
                nodes == [
                    .init(path: "any", size: 5), .init(path: "any[0].segment", size: 2),
                    .init(path: "any[0].segment[0].cohort", size: 3), .init(path: "any[0].segment[1].not", size: 3),
                    .init(path: "any[0].segment[1].not.cohort", size: 2), .init(path: "any[1].not", size: 1),
                    .init(path: "any[1].not.any", size: 4), .init(path: "any[1].not.any[0].cohort", size: 3),
                    .init(path: "any[1].not.any[1].cohort", size: 2), .init(path: "any[2].attribute", size: 5),
                ])
            let saved = try await muster.send(SizeSegment(segmentID: "a-only", withNodes: true))
            #expect(saved.nodes?.map(\.path) == ["all", "all[0].cohort", "all[1].not", "all[1].not.cohort"])
            #expect(saved.nodes?.map(\.size) == [2, 3, 3, 2])
            let without = try await muster.send(SizeSegment(filter: filter))
            #expect(without.nodes == nil && without.size == 5)
        }
    }

    @Test func aFilterThatNamesSomethingMissingIsRefusedWithThePath() async throws {
        try await withCohorts { muster in
            let before = try await muster.database.fingerprint()
            let missing: [(Filter, String)] = [
                (
                    .all([Self.a, .not(.cohort("tinyclues", "c"))]),
                    "filter.all[1].not.cohort: there is no cohort \"c\" of partner tinyclues"
                ),
                (.cohort("nobody", "a"), "filter.cohort: there is no cohort \"a\" of partner nobody"),
                (.any([.everyone, .segment("s")]), "filter.any[1].segment: there is no segment \"s\""),
            ]
            for (filter, message) in missing {
                await refused(.invalidArgument, message) {
                    _ = try await muster.send(CreateSegment(name: "x", filter: filter))
                }
                await refused(.invalidArgument, message) { _ = try await muster.send(SizeSegment(filter: filter)) }
                await refused(.invalidArgument, message) {
                    _ = try await muster.send(ListSegmentMembers(filter: filter))
                }
            }
            await refused(.notFound, "there is no segment \"s\"") {
                _ = try await muster.send(SizeSegment(segmentID: "s"))
            }
            await refused(.notFound, "there is no segment \"s\"") {
                _ = try await muster.send(CheckSegments(users: [.externalID("u-1")], segments: ["s"]))
            }
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    @Test func aSegmentCantContainItself() async throws {
        try await withCohorts { muster in
            await refused(.invalidArgument, "filter: the segment would contain itself: \"one\" → \"one\"") {
                _ = try await muster.send(CreateSegment(segmentID: "one", name: "x", filter: .not(.segment("one"))))
            }
            _ = try await muster.send(CreateSegment(segmentID: "one", name: "x", filter: .everyone))
            _ = try await muster.send(CreateSegment(segmentID: "two", name: "x", filter: .segment("one")))
            _ = try await muster.send(
                CreateSegment(segmentID: "three", name: "x", filter: .any([Self.a, .segment("two")])))
            let before = try await muster.database.fingerprint()
            let way = "filter: the segment would contain itself: \"one\" → \"three\" → \"two\" → \"one\""
            await refused(.invalidArgument, way) {
                _ = try await muster.send(UpdateSegment(segmentID: "one", filter: .not(.segment("three"))))
            }
            #expect(try await muster.database.fingerprint() == before)
            try await expect(.segment("three"), "three", ["u-1", "u-2", "u-3", "u-4", "u-5"], muster)
        }
    }

    @Test func twoUpdatesAtOnceMakeNoCycle() async throws {
        try await withCohorts { muster in
            for round in 0..<8 {
                let (one, two) = (Identifier("one\(round)"), Identifier("two\(round)"))
                _ = try await muster.send(CreateSegment(segmentID: one, name: "x", filter: .everyone))
                _ = try await muster.send(CreateSegment(segmentID: two, name: "x", filter: .everyone))
                let done = await withTaskGroup(of: Bool.self) { group in
                    for (outer, inner) in [(one, two), (two, one)] {
                        group.addTask {
                            (try? await muster.send(UpdateSegment(segmentID: outer, filter: .segment(inner)))) != nil
                        }
                    }
                    return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                #expect(done == 1)
                let size = try await muster.send(SizeSegment(segmentID: one))
                #expect(size.size == 5)
            }
        }
    }

    @Test func theVersionRisesWithTheFilterOnly() async throws {
        try await withCohorts { muster in
            let made = try await muster.send(CreateSegment(segmentID: "s", name: "one", filter: Self.a))
            let renamed = try await muster.send(UpdateSegment(segmentID: "s", name: "two"))
            #expect(renamed.version == made.version)
            let same = try await muster.send(UpdateSegment(segmentID: "s", filter: Self.a))
            #expect(same.version == made.version)
            let changed = try await muster.send(UpdateSegment(segmentID: "s", filter: Self.b))
            #expect(changed.version > made.version)
            let shown = try await muster.send(GetSegment(segmentID: "s"))
            #expect(shown.name == "two" && shown.filter == Self.b && shown.version == changed.version)
            #expect(shown.usedBy == [])
        }
    }

    @Test func anUpdateOfAnotherVersionIsRefusedWhole() async throws {
        try await withCohorts { muster in
            let made = try await muster.send(CreateSegment(segmentID: "s", name: "one", filter: Self.a))
            let mine = try await muster.send(
                UpdateSegment(segmentID: "s", name: "two", filter: Self.b, ifVersion: made.version))
            #expect(mine.version > made.version)
            let before = try await muster.database.fingerprint()
            for late in [
                UpdateSegment(segmentID: "s", name: "three", filter: .everyone, ifVersion: made.version),
                UpdateSegment(segmentID: "s", name: "three", ifVersion: made.version),
                UpdateSegment(segmentID: "s", filter: Self.b, ifVersion: mine.version + 1),
                UpdateSegment(segmentID: "s", ifVersion: 0),
            ] {
                let error = await #expect(throws: RPCError.self) { _ = try await muster.send(late) }
                #expect(error?.code == .failedPrecondition && error?.details.reason == .changed)
                #expect(error?.details.string("field") == "if_version")
                #expect(error?.details.integer("version") == mine.version)
            }
            #expect(try await muster.database.fingerprint() == before)
            await refused(.notFound, "there is no segment \"t\"") {
                _ = try await muster.send(UpdateSegment(segmentID: "t", name: "x", ifVersion: 1))
            }
        }
    }

    @Test func ofManyUpdatesOfOneVersionOneWins() async throws {
        try await withCohorts { muster in
            let made = try await muster.send(CreateSegment(segmentID: "s", name: "0", filter: Self.a))
            let won = await withTaskGroup(of: Int?.self) { group in
                for number in 1...8 {
                    group.addTask {
                        let filter = Filter.all(Array(repeating: Self.b, count: number))
                        let call = UpdateSegment(
                            segmentID: "s", name: "\(number)", filter: filter, ifVersion: made.version)
                        return (try? await muster.send(call)) == nil ? nil : number
                    }
                }
                return await group.reduce(into: [Int]()) { won, number in if let number { won.append(number) } }
            }
            #expect(won.count == 1)
            let shown = try await muster.send(GetSegment(segmentID: "s"))
            #expect(shown.name == "\(won.first ?? 0)" && shown.filter.children.count == won.first)
        }
    }

    @Test func aSegmentMadeAgainIsAnotherOne() async throws {
        try await withCohorts { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: Self.a))
            let first = try await muster.send(SizeSegment(segmentID: "s", withVersions: true))
            let page = try await muster.send(ListSegmentMembers(segmentID: "s", pageSize: 1))
            _ = try await muster.send(DeleteSegment(segmentID: "s"))
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: Self.b))
            let second = try await muster.send(SizeSegment(segmentID: "s"))
            #expect(first.size == 3 && second.size == 2)
            await refused(.failedPrecondition, "segment \"s\" was changed since; begin again") {
                _ = try await muster.send(SizeSegment(segmentID: "s", at: first.versions))
            }
            await refused(.failedPrecondition, "segment \"s\" was changed since; begin again") {
                _ = try await muster.send(
                    ListSegmentMembers(segmentID: "s", pageSize: 1, pageToken: page.nextPageToken))
            }
        }
    }

    @Test func aCohortOrSegmentInUseCannotBeDeleted() async throws {
        try await withCohorts { muster in
            _ = try await muster.send(CreateSegment(segmentID: "in", name: "x", filter: Self.a))
            _ = try await muster.send(CreateSegment(segmentID: "out", name: "x", filter: .not(.segment("in"))))
            let before = try await muster.database.fingerprint()
            await refused(.failedPrecondition, "segments use this cohort: \"in\"; change or delete them first") {
                _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "a"))
            }
            await refused(.failedPrecondition, "segments use this segment: \"out\"; change or delete them first") {
                _ = try await muster.send(DeleteSegment(segmentID: "in"))
            }
            #expect(try await muster.database.fingerprint() == before)
            let used = try await muster.send(GetSegment(segmentID: "in"))
            #expect(used.usedBy == ["out"])
            // What is no longer used can go.
            _ = try await muster.send(UpdateSegment(segmentID: "out", filter: .everyone))
            _ = try await muster.send(DeleteSegment(segmentID: "in"))
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "a"))
        }
    }

    @Test func creatingIsRecordedAndAnIDIsTakenOnce() async throws {
        try await withCohorts { muster in
            let call = CreateSegment(name: "x", filter: Self.a, requestID: "r-1")
            let first = try await muster.send(call)
            let again = try await muster.send(call)
            #expect(first == again)
            #expect(first.segmentID.text.utf8.count == 36)
            await refused(.failedPrecondition, "this request_id was used with other content") {
                _ = try await muster.send(CreateSegment(name: "x", filter: Self.b, requestID: "r-1"))
            }
            await refused(.alreadyExists, "there is already a segment of this segment_id") {
                _ = try await muster.send(CreateSegment(segmentID: first.segmentID, name: "y", filter: Self.a))
            }
            let all = try await muster.send(ListSegments())
            #expect(all.segments.count == 1)
        }
    }

    private func expect(
        _ filter: Filter, _ segment: Identifier, _ ids: [Identifier], _ muster: MusterUnderTest
    ) async throws {
        let everyone: [Identifier] = ["u-1", "u-2", "u-3", "u-4", "u-5"]
        let members = try await muster.members(of: filter, pageSize: 2)
        #expect(members == ids)
        for call in [SizeSegment(filter: filter), SizeSegment(segmentID: segment)] {
            let reply = try await muster.send(call)
            #expect(reply.size == ids.count)
        }
        let users = everyone.map(UserReference.externalID) + [.externalID("nobody")]
        let check = try await muster.send(CheckSegments(users: users, segments: [segment]))
        #expect(check.results.map(\.in) == everyone.map { [ids.contains($0)] } + [[false]])
        #expect(check.results.last?.user == .unknown)
        for id in everyone {
            let of = try await muster.send(SegmentsOfUser(user: .externalID(id)))
            #expect(of.segments.contains { $0.segmentID == segment } == ids.contains(id))
        }
    }
}

/// Expects a call to be refused, with a message that begins so.
func refused(
    _ code: RPCCode, _ message: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async {
    let error = await #expect(throws: RPCError.self, sourceLocation: sourceLocation) { try await body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")", sourceLocation: sourceLocation)
}
