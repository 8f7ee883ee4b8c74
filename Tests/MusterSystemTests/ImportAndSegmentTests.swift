import MusterProtocol
import MusterTestSupport
import Testing

/// The main job, from a client to PostgreSQL and back.
@Suite struct ImportAndSegmentTests {
    @Test func importingTwiceCountsEachUserOnce() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3"]) { muster in
            try await muster.importCohort("vip", adding: ["u-1", "u-2"])
            let reply = try await muster.importCohort("vip", adding: ["u-2", "u-3"])
            #expect(reply.version == 2)
            #expect(reply.size == 3)
            #expect(reply.receipt == Receipt(received: 2, added: 1, unchanged: 1))
        }
    }

    @Test func aSegmentIsExactAfterEveryImport() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3"]) { muster in
            let filter = Filter.all([.cohort("tinyclues", "a"), .not(.cohort("tinyclues", "b"))])
            try await muster.importCohort("a", adding: ["u-1", "u-2"])
            try await muster.importCohort("b", adding: ["u-2"])
            #expect(try await muster.members(of: filter) == ["u-1"])
            try await muster.importCohort("b", removing: ["u-2"])
            #expect(try await muster.members(of: filter) == ["u-1", "u-2"])
            let rest = try await muster.send(SizeSegment(filter: .not(filter)))
            #expect(rest.size == 1)
        }
    }
}
