import MusterClient
import MusterProtocol
import MusterTestSupport
import Testing

/// `must_exist`: a mistyped `cohort_id` makes no cohort.
@Suite struct MustExistTests {
    private func call(
        _ cohortID: Identifier, _ users: IdentifierList = ["u-1"], requestID: Identifier? = nil, mustExist: Bool? = true
    ) -> ImportCohort {
        ImportCohort(
            partner: "tinyclues", cohortID: cohortID, requestID: requestID, changes: [.adding(userIDs: users)],
            mustExist: mustExist)
    }

    @Test func anUnknownCohortIsNotCreated() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            _ = try await muster.send(CreateCohort(partner: "tinyclues", cohortID: "autumn", name: "Autumn"))
            let before = try await muster.database.fingerprint()
            for mistyped in [call("autum"), call("autum", requestID: "r-1"), call("autum", [])] {
                await refused(.notFound, "there is no such cohort of this partner, and must_exist is true") {
                    _ = try await muster.send(mistyped)
                }
            }
            #expect(try await muster.database.fingerprint() == before)
            #expect(try await muster.send(call("autumn")).size == 1)
            #expect(try await muster.send(call("autumn", [])).version == 1)
            #expect(try await muster.send(call("autum", mustExist: false)).version == 1)
        }
    }

    @Test func aRefusedImportIsNotRecorded() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let call = call("a", requestID: "r-1")
            await refused(.notFound, "there is no such cohort") { _ = try await muster.send(call) }
            _ = try await muster.send(CreateCohort(partner: "tinyclues", cohortID: "a", name: "A"))
            #expect(try await muster.send(call).receipt.added == 1)
        }
    }

    /// The first one was applied; that its cohort went since is another story.
    @Test func aRepeatGetsItsReplyEvenIfTheCohortIsGone() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            _ = try await muster.send(CreateCohort(partner: "tinyclues", cohortID: "a", name: "A"))
            let first = try await muster.send(call("a", requestID: "r-1"))
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "a"))
            #expect(try await muster.send(call("a", requestID: "r-1")) == first)
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
            await refused(.notFound, "there is no such cohort") {
                _ = try await muster.send(call("a", requestID: "r-2"))
            }
        }
    }

    @Test func mustExistIsPartOfTheContent() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let first = try await muster.send(call("a", requestID: "r-1", mustExist: nil))
            #expect(try await muster.send(call("a", requestID: "r-1", mustExist: false)) == first)
            await refused(.failedPrecondition, "this request_id was used with other content") {
                _ = try await muster.send(call("a", requestID: "r-1", mustExist: true))
            }
        }
    }

    @Test func anUnknownPartnerIsReportedFirst() async throws {
        try await withMuster { muster in
            await refused(.notFound, "there is no such partner") {
                _ = try await muster.send(ImportCohort(partner: "nobody", cohortID: "a", changes: [], mustExist: true))
            }
        }
    }
}
