import MusterProtocol
import Testing

/// What `users.track` makes of the attributes of a user.
@Suite struct TrackAttributeTests {
    @Test func valuesAreSetAndRemovedAndTheRestStays() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.expect(
                #""a":1,"b":"x","c":{"d":[1,{"e":true}]}"#, gives: #"{"a":1,"b":"x","c":{"d":[1,{"e":true}]}}"#)
            try await fixture.expect(#""a":null,"b":2.5"#, gives: #"{"b":2.5,"c":{"d":[1,{"e":true}]}}"#)
            try await fixture.expect(#""b":null,"c":null,"nothing":null"#, gives: "{}")
        }
    }

    @Test func numbersAreIncreased() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.expect(#""n":{"inc":3}"#, gives: #"{"n":3}"#)
            try await fixture.expect(#""n":{"inc":-5}"#, gives: #"{"n":-2}"#)
            try await fixture.expect(#""n":0.5"#, gives: #"{"n":0.5}"#)
            try await fixture.expect(#""n":{"inc":1}"#, gives: #"{"n":1.5}"#)
            for (bound, step) in [("9007199254740992", 1), ("-9007199254740992", -1)] {
                try await fixture.expect(#""n":\#(bound)"#, gives: #"{"n":\#(bound)}"#)
                try await fixture.expect(
                    #""n":{"inc":\#(step)}"#, gives: "'n' is not valid: with it the user's would be outside of ±2^53")
            }
            for wrong in [#"{"inc":1.5}"#, #"{"inc":"1"}"#, #"{"inc":null}"#] {
                try await fixture.expect(#""n":\#(wrong)"#, gives: "'n' is not valid")
            }
            try await fixture.expect(#""n":"text""#, gives: #"{"n":"text"}"#)
            try await fixture.expect(#""n":{"inc":1}"#, gives: RegistryFixture.unfit("n", "number"))
        }
    }

    @Test func arraysHoldEachValueOnceAtTheEnd() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.expect(#""a":["x","y","x","z"]"#, gives: #"{"a":["y","x","z"]}"#)
            try await fixture.expect(#""a":{"add":["y","w"]}"#, gives: #"{"a":["x","z","y","w"]}"#)
            try await fixture.expect(#""a":{"add":["v"],"remove":["x","nothing"]}"#, gives: #"{"a":["z","y","w","v"]}"#)
            try await fixture.expect(#""a":{"remove":["z","y","w","v"]}"#, gives: #"{"a":[]}"#)
            try await fixture.expect(#""a":null,"b":{"remove":["x"]}"#, gives: "{}")
            try await fixture.expect(#""b":{"add":[1,"x",1.0]}"#, gives: #"{"b":["x",1]}"#)
            try await fixture.expect(#""b":{"add":"x"}"#, gives: "'b' is not valid")
            try await fixture.expect(#""b":7"#, gives: #"{"b":7}"#)
            try await fixture.expect(#""b":{"add":["x"]}"#, gives: RegistryFixture.unfit("b", "array"))
        }
    }

    @Test func anArrayKeepsItsLastFiveHundredValues() async throws {
        try await RegistryFixture.with { fixture in
            let all = (0..<500).map { "\($0)" }.joined(separator: ",")
            _ = try await fixture.after(#""a":[\#(all)]"#)
            let kept = try await fixture.after(#""a":{"add":["new"]}"#)
            #expect(kept.hasPrefix(#"{"a":[1,2,"#) && kept.hasSuffix(#",499,"new"]}"#))
        }
    }

    @Test func objectsAreMergedWhereTheCallSaysSo() async throws {
        try await RegistryFixture.with { fixture in
            _ = try await fixture.after(#""o":{"a":1,"b":{"c":1,"d":2}}"#)
            try await fixture.expect(
                #""_merge_objects":true,"o":{"b":{"c":null,"e":3},"f":4}"#,
                gives: #"{"o":{"a":1,"b":{"d":2,"e":3},"f":4}}"#)
            try await fixture.expect(#""o":{"a":2}"#, gives: #"{"o":{"a":2}}"#)
        }
    }

    @Test func theDataOfOneUserIsBounded() async throws {
        try await RegistryFixture.with { fixture in
            let many = (0..<256).map { #""a\#($0)":1"# }.joined(separator: ",")
            _ = try await fixture.after(many)
            try await fixture.expect(
                #""more":1"#, gives: "the user would have more than 256 attributes (attributes_per_user)")
            let long = String(repeating: "x", count: 257)
            try await fixture.expect(
                #""\#(long)":1"#, of: "v",
                gives: "the name of an attribute must have 1 to 256 bytes (attribute_name_bytes)")
            let id = Identifier(String(repeating: "x", count: 1_025))
            try await fixture.expect(
                #""a":1"#, of: id, gives: "'external_id' is over 1024 bytes (identifier_bytes)")
        }
    }
}
