import MusterProtocol
import MusterTestSupport
import Testing

/// One more than every limit of a call, and one less than what it needs: refused with the place and the limit, and
/// nothing applied.
@Suite struct BadLimitTests {
    struct Case: CustomStringConvertible, Sendable {
        let method: String
        let body: String
        let message: String
        let code: RPCCode
        var description: String { "\(method): \(message)" }

        init(_ method: String, _ body: String, _ message: String, _ code: RPCCode = .invalidArgument) {
            (self.method, self.body, self.message, self.code) = (method, body, message, code)
        }
    }

    @Test func oneMoreThanALimitIsRefused() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("active", adding: ["u-1"])
            let before = try await muster.database.fingerprint()
            let session = try await RawSession.open(muster.server)
            var limits: Set<String> = []
            for bad in Self.ids + Self.names + Self.counts + Self.filters + Self.eventFilters + Self.numbers
                + Self.exclusive + Self.questions
            {
                let answer = try await session.answer(bad.method, bad.body)
                #expect(answer.code == bad.code, "\(bad): \(answer.text.prefix(300))")
                #expect(answer.message.contains(bad.message), "\(bad): \(answer.text.prefix(300))")
                expectReadable(answer, "\(bad)")
                if let limit = answer.details.string("limit") { limits.insert(limit) }
            }
            #expect(limits == Set(Self.refusing.map(\.name)))
            #expect(try await session.goesOn())
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    @Test func asManyAsALimitAreAccepted() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("active", adding: ["u-1"])
            let session = try await RawSession.open(muster.server)
            let fitting: [(String, String)] = [
                (CreateCohort.method, Self.cohort(text(256), #","name":\#(text(512))"#)),
                (
                    CreateSegment.method,
                    #"{"segment_id":\#(text(256)),"name":\#(text(512)),"filter":\#(deepFilter(32))}"#
                ),
                (SizeSegment.method, #"{"segment_id":\#(text(256)),"with_nodes":true}"#),
                (SizeSegment.method, #"{"filter":\#(wideFilter(256)),"with_marginals":true}"#),
                (SizeSegment.method, #"{"filter":{"everyone":{}},"regions":\#(list(5, deepFilter(32)))}"#),
                (ListSegmentMembers.method, #"{"filter":{"everyone":{}},"sample":10000,"seed":-9007199254740992}"#),
                (ExplainSegment.method, #"{"filter":\#(wideFilter(256)),"user":{"external_id":"u-1"}}"#),
                (
                    DiffSegments.method,
                    #"{"from":{"filter":\#(deepFilter(32))},"to":{"segment_id":\#(text(256))},"list":"stayed"}"#
                ),
                (
                    SizeSegment.method,
                    #"{"filter":{"event":{"name":\#(text(1024)),"count":{"comparison":"less_than","value":9007199254740992},"within_days":36500,"after":"0000-01-01"}}}"#
                ),
                (
                    SizeSegment.method,
                    #"{"filter":{"purchase":{"product_id":\#(text(1024)),"total_spent":{"comparison":"not_equal","value":-1e12},"before":"9999-12-31"}}}"#
                ),
                (ImportCohort.method, Self.cohort(#""c""#, #","request_id":\#(text(255)),"cohort_changes":[]"#)),
                (CheckSegments.method, #"{"users":\#(list(1_000, Self.nobody)),"segments":\#(list(100, text(256)))}"#),
                (DeleteUsers.method, #"{"users":\#(list(1_000, Self.nobody))}"#),
                (ExportUsers.method, #"{"users":\#(list(50, Self.nobody)),"fields_to_export":\#(list(500, "\"f\""))}"#),
                (SegmentDataSeries.method, #"{"segment_id":\#(text(256)),"length":100}"#),
                (UpsertUsers.method, #"{"users":\#(list(5_000, "{}"))}"#),
                (TrackUsers.method, #"{"attributes":\#(list(400, "{}")),"purchases":\#(list(600, "{}"))}"#),
                (RemoveExternalIDs.method, #"{"external_ids":\#(list(50, "\"nobody\""))}"#),
                (CreateKey.method, Self.key(64)), (ListSegments.method, #"{"page_size":9007199254740992}"#),
            ]
            for (method, body) in fitting {
                let answer = try await session.answer(method, body)
                #expect(answer.code == nil, "\(method): \(answer.text.prefix(300))")
            }
        }
    }
}
