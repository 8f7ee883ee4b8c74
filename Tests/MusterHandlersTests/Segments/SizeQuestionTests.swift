import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// What `segments.size` counts beside the size: marginals and regions.
@Suite struct SizeQuestionTests {
    private static let (a, b) = (Filter.cohort("tinyclues", "a"), Filter.cohort("tinyclues", "b"))
    private static let french = Filter.attribute("country", .equals, .string("FR"))

    /// Users u-1 to u-6; cohort a has 1, 2, 3 and cohort b has 3, 4; 1, 4 and 5 are French; segment b is cohort b.
    private func withUsers(_ body: (MusterUnderTest) async throws -> Void) async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3", "u-4", "u-5", "u-6"]) { muster in
            try await muster.importCohort("a", adding: ["u-1", "u-2", "u-3"])
            try await muster.importCohort("b", adding: ["u-3", "u-4"])
            let french = ["u-1", "u-4", "u-5"].map {
                UserEntry(externalID: Identifier($0), attributes: ["country": "FR"])
            }
            _ = try await muster.send(UpsertUsers(users: french))
            _ = try await muster.send(CreateSegment(segmentID: "b", name: "x", filter: .all([Self.b])))
            try await body(muster)
        }
    }

    @Test func aMarginalIsTheSizeOfTheFilterWithoutOneChild() async throws {
        try await withUsers { muster in
            let filter = Filter.all([Self.a, .any([Self.b, Self.french]), .not(.segment("b"))])
            let reply = try await muster.send(SizeSegment(filter: filter, withMarginals: true))
            #expect(reply.size == 1 && reply.nodes == nil && reply.regions == nil && reply.versions == nil)
            #expect(
                reply.marginals == [
                    .init(path: "all[0].cohort", size: 2), .init(path: "all[1].any", size: 2),
                    .init(path: "all[1].any[0].cohort", size: 1), .init(path: "all[1].any[1].attribute", size: 0),
                    .init(path: "all[2].not", size: 2), .init(path: "all[2].not.segment[0].cohort", size: 0),
                ])
            let saved = try await muster.send(SizeSegment(segmentID: "b", withNodes: true, withMarginals: true))
            #expect(saved.size == 2 && saved.nodes?.map(\.size) == [2, 2])
            #expect(saved.marginals == [.init(path: "all[0].cohort", size: 6)])
            let leaf = try await muster.send(SizeSegment(filter: Self.a, withMarginals: true))
            #expect(leaf.marginals == [])
        }
    }

    @Test(arguments: TestSeed.several(4)) func marginalsAreTheSizesOfSmallerFilters(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let filters = (0..<6).map { _ in random.filter(depth: 3) }
        try await withUsers { muster in
            for filter in filters {
                let reply = try await muster.send(SizeSegment(filter: filter, withMarginals: true))
                var expected: [NodeSize] = []
                for (path, rest) in filter.withoutEachChild() {
                    expected.append(NodeSize(path: path, size: try await muster.send(SizeSegment(filter: rest)).size))
                }
                #expect(reply.marginals == expected, "MUSTER_SEED=\(seed)")
            }
        }
    }

    @Test func regionsDivideTheUsersOfASegment() async throws {
        try await withUsers { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "x", filter: .not(.attribute("x", .exists))))
            let filters = [Self.a, Filter.segment("b"), .attribute("country", .notEqual, .string("FR"))]
            let call = SizeSegment(
                segmentID: "s", withNodes: true, regions: filters, withVersions: true, maxStalenessMilliseconds: 1)
            let reply = try await muster.send(call)
            #expect(reply.size == 6 && reply.nodes?.map(\.path) == ["not", "not.attribute"])
            #expect(reply.versions?.cohorts.count == 2 && reply.versions?.attributes != nil)
            #expect(
                reply.regions == [
                    .init(in: [false, false, false], size: 1), .init(in: [false, false, true], size: 1),
                    .init(in: [false, true, false], size: 1), .init(in: [false, true, true], size: 0),
                    .init(in: [true, false, false], size: 1), .init(in: [true, false, true], size: 1),
                    .init(in: [true, true, false], size: 0), .init(in: [true, true, true], size: 1),
                ])
            for region in reply.regions ?? [] {
                let parts = zip(filters, region.in).map { filter, isIn in isIn ? filter : .not(filter) }
                let size = try await muster.send(SizeSegment(filter: .all([.segment("s")] + parts))).size
                #expect(region.size == size, "\(region.in)")
            }
            let five = try await muster.send(
                SizeSegment(filter: Self.a, regions: Array(repeating: Self.b, count: 5)))
            #expect(five.regions?.count == 32)
            #expect(five.regions?.filter { $0.size > 0 }.map(\.size) == [2, 1])
        }
    }

    @Test func regionsAddUpToTheSizeWhileACohortChanges() async throws {
        try await withUsers { muster in
            let changing = Task {
                for round in 0..<40 {
                    let (adding, removing): (IdentifierList, IdentifierList) =
                        round % 2 == 0 ? (["u-5", "u-6"], []) : ([], ["u-5", "u-6"])
                    try await muster.importCohort("a", adding: adding, removing: removing)
                }
            }
            // Both filters are cohort a: nobody is in one of them alone.
            for _ in 0..<60 {
                let reply = try await muster.send(SizeSegment(filter: Self.a, regions: [Self.a, .not(Self.a)]))
                #expect(reply.regions?.map(\.size) == [0, 0, reply.size, 0])
            }
            try await changing.value
        }
    }

    @Test func aRegionThatCannotBeCountedIsNamed() async throws {
        try await withUsers { muster in
            func refusal(_ call: SizeSegment) async -> RPCError? {
                await #expect(throws: RPCError.self) { _ = try await muster.send(call) }
            }
            let missing = Filter.not(.cohort("tinyclues", "nope"))
            let cohort = await refusal(SizeSegment(filter: Self.a, regions: [Self.b, missing]))
            #expect(cohort?.message == "regions[1].not.cohort: there is no cohort \"nope\" of partner tinyclues")
            #expect(cohort?.details.string("field") == "regions[1].not.cohort.cohort_id")
            let segment = await refusal(SizeSegment(filter: Self.a, regions: [.any([.segment("nope")])]))
            #expect(segment?.message == "regions[0].any[0].segment: there is no segment \"nope\"")
            #expect(segment?.code == .invalidArgument)
            let own = await refusal(SizeSegment(segmentID: "nope", regions: [Self.a]))
            #expect(own?.code == .notFound && own?.details.string("field") == "segment_id")
            let ownFilter = await refusal(SizeSegment(filter: missing, regions: [missing]))
            #expect(ownFilter?.details.string("field") == "filter.not.cohort.cohort_id")
            let bad = await refusal(SizeSegment(filter: Self.a, regions: [.attribute("", .exists)]))
            #expect(bad?.message.hasPrefix("regions[0].attribute.name must have 1 to") == true)
            // A segment as deep as can be is no deeper in a region of its own call.
            let deep = (1..<Limits.filterDepth.value).reduce(Self.a) { filter, _ in .not(filter) }
            _ = try await muster.send(CreateSegment(segmentID: "deep", name: "x", filter: deep))
            _ = try await muster.send(SizeSegment(segmentID: "deep", regions: [deep]))
            let tooDeep = await refusal(SizeSegment(filter: Self.a, regions: [.segment("deep")]))
            #expect(tooDeep?.details.reason == .tooDeep)
            #expect(tooDeep?.details.string("field")?.hasPrefix("regions[0].segment") == true)
        }
    }
}

extension SeededRandom {
    /// A filter over what `SizeQuestionTests` and `ExplainTests` have.
    mutating func filter(depth: Int) -> Filter {
        switch depth == 0 ? below(6) : below(12) {
        case 0, 1: .cohort("tinyclues", "a")
        case 2: .cohort("tinyclues", "b")
        case 3: .attribute("country", .equals, .string("FR"))
        case 4: .attribute("country", .notEqual, .string("FR"))
        case 5: .everyone
        case 6, 7: .not(filter(depth: depth - 1))
        case 8, 9: .any((0..<below(4)).map { _ in filter(depth: depth - 1) })
        default: .all((0..<below(4)).map { _ in filter(depth: depth - 1) })
        }
    }
}

extension Filter {
    /// The path of each child of an `all` or `any`, in preorder, and the filter without it.
    fileprivate func withoutEachChild() -> [(path: String, rest: Filter)] {
        withoutEachChild(path: name)
    }

    private func withoutEachChild(path: String) -> [(path: String, rest: Filter)] {
        func ofChildren(_ children: [Filter], _ whole: ([Filter]) -> Filter) -> [(path: String, rest: Filter)] {
            children.enumerated().flatMap { index, child in
                let childPath = "\(path)[\(index)].\(child.name)"
                let without = children.enumerated().filter { $0.offset != index }.map(\.element)
                return [(childPath, whole(without))]
                    + child.withoutEachChild(path: childPath).map { inner in
                        (inner.path, whole(children.enumerated().map { $0.offset == index ? inner.rest : $0.element }))
                    }
            }
        }
        switch self {
        case .all(let children): return ofChildren(children) { .all($0) }
        case .any(let children): return ofChildren(children) { .any($0) }
        case .not(let inner):
            return inner.withoutEachChild(path: "\(path).\(inner.name)").map { ($0.path, .not($0.rest)) }
        default: return []
        }
    }
}
