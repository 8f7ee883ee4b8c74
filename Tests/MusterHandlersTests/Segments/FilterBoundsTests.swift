import MusterProtocol
import MusterTestSupport
import Testing

/// The bounds of a filter hold with saved filters put in their places.
@Suite struct FilterBoundsTests {
    @Test func aSavedFilterCountsWhereItIsUsed() async throws {
        try await withMuster { muster in
            try await muster.importCohort("active", adding: ["u-1"])
            func save(_ id: String, _ filter: String) async throws -> Answer {
                try await RawSession.open(muster.server).answer(
                    CreateSegment.method, #"{"segment_id":"\#(id)","name":"x","filter":\#(filter)}"#)
            }
            #expect(try await save("deep", deepFilter(31)).code == nil)
            #expect(try await save("wide", wideFilter(128)).code == nil)
            #expect(try await save("deeper", #"{"segment":{"segment_id":"deep"}}"#).code == nil)
            var before = try await muster.database.fingerprint()
            let segment = { (id: String) in #"{"segment":{"segment_id":"\#(id)"}}"# }
            let deep = try await save("a", #"{"not":\#(segment("deep"))}"#)
            #expect(deep.code == .invalidArgument)
            #expect(deep.message.contains("deeper than 32 levels, saved filters inside it included"), "\(deep.text)")
            expectReadable(deep, "a filter that is deep by a saved one")
            let wide = try await save("a", #"{"all":[\#(segment("wide")),\#(segment("wide"))]}"#)
            #expect(wide.code == .invalidArgument)
            #expect(wide.message.contains("more than 256 nodes, saved filters inside it included"), "\(wide.text)")
            expectReadable(wide, "a filter that is wide by saved ones")
            #expect(wide.message.hasPrefix("filter.all[1].segment"), "\(wide.text)")
            // A leaf over events is one node, also where it stands for the opposite of what is looked up.
            let none = #"{"event":{"name":"a","count":{"comparison":"equals","value":0}}}"#
            #expect(try await save("events", #"{"any":\#(list(255, none))}"#).code == nil)
            let events = try await save("a", #"{"any":\#(list(256, none))}"#)
            #expect(events.message.contains("more than 256 nodes"), "\(events.text)")
            #expect(try await save("deepEvent", deepFilter(31, around: none)).code == nil)
            before = try await muster.database.fingerprint()
            // An ad-hoc filter has the same bounds.
            let session = try await RawSession.open(muster.server)
            let adHoc = try await session.answer(SizeSegment.method, #"{"filter":{"not":\#(segment("deep"))}}"#)
            #expect(adHoc.code == .invalidArgument)
            #expect(try await muster.database.fingerprint() == before)
        }
    }

    @Test func aSegmentThatOthersUseStaysWithinTheirBounds() async throws {
        try await withMuster { muster in
            _ = try await muster.send(CreateSegment(segmentID: "inner", name: "x", filter: .everyone))
            _ = try await muster.send(
                CreateSegment(segmentID: "outer", name: "x", filter: .not(.not(.segment("inner")))))
            let before = try await muster.database.fingerprint()
            var deep = Filter.everyone
            for _ in 0..<30 { deep = .not(deep) }
            let error = await #expect(throws: RPCError.self) {
                _ = try await muster.send(UpdateSegment(segmentID: "inner", filter: deep))
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("\"outer\"") == true, "it names the segment that would be too deep")
            #expect(try await muster.database.fingerprint() == before)
        }
    }
}

/// A filter of so many levels.
func deepFilter(_ levels: Int, around leaf: String = #"{"everyone":{}}"#) -> String {
    String(repeating: #"{"not":"#, count: levels - 1) + leaf + String(repeating: "}", count: levels - 1)
}

/// A filter of so many nodes.
func wideFilter(_ nodes: Int) -> String { #"{"any":\#(list(nodes - 1, #"{"everyone":{}}"#))}"# }
