import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// What must hold of every call that there is.
@Suite struct CallCoverageTests {
    @Test func everyCallHasAHandlerAndNothingElseHas() async throws {
        try await withMuster { muster in
            let methods = allCalls.map { $0.method }
            #expect(Set(methods).count == methods.count)
            #expect(muster.server.methods == Set(methods))
        }
    }

    @Test(arguments: allCalls.indices)
    func anExampleSurvivesTheWire(index: Int) throws {
        func check<C: Call>(_: C.Type) throws {
            let call = try JSONDecoding.decode(C.self, from: try JSONEncoding.encode(C.example.call))
            #expect(call == C.example.call)
            let reply = try JSONDecoding.decode(C.Reply.self, from: try JSONEncoding.encode(C.example.reply))
            #expect(reply == C.example.reply)
            #expect(C.summary.hasSuffix(".") && !C.notes.isEmpty)
        }
        try check(allCalls[index])
    }

    @Test(arguments: allCalls.indices)
    func notesMentionEveryField(index: Int) throws {
        func check<C: Call>(_: C.Type) throws {
            for field in try C.bodyFields() + C.replyFields() where field.isTopLevel {
                #expect(C.notes.contains("`\(field.path)`"), "\(C.method): \(field.path)")
            }
        }
        try check(allCalls[index])
    }
}
