import MusterProtocol
import MusterTestSupport
import Testing

@testable import MusterStore

/// Objects and arrays of objects as attributes, changed as Braze's pages show it.
@Suite struct NestedAttributeTests {
    private static let pets = #""pets":[{"id":1,"type":"dog","name":"Gus"},{"id":2,"type":"cat","name":"Gerald"}]"#

    /// What PostgreSQL keeps, whose order of fields is by length and then by bytes.
    private func pets(_ fixture: RegistryFixture) async throws -> String? {
        guard case .other(let json)? = try await fixture.get(.externalID("u"))?.attributes["pets"] else { return nil }
        return json.text
    }

    @Test func objectsAreAddedRemovedAndUpdatedInAnArray() async throws {
        try await RegistryFixture.with { fixture in
            _ = try await fixture.after(Self.pets)
            _ = try await fixture.after(#""pets":{"$add":[{"id":3,"type":"dog","name":"Doug"}]}"#)
            #expect(
                try await pets(fixture)
                    == #"[{"id":1,"name":"Gus","type":"dog"},{"id":2,"name":"Gerald","type":"cat"},{"id":3,"name":"Doug","type":"dog"}]"#
            )
            // Put into it where the call says so, and in its place where not.
            _ = try await fixture.after(
                #""_merge_objects":true,"pets":{"$update":[{"$identifier_key":"id","$identifier_value":2,"$new_object":{"name":"Gerry","tags":{"a":1}}}]}"#
            )
            _ = try await fixture.after(
                #""_merge_objects":"true","pets":{"$update":[{"$identifier_key":"id","$identifier_value":2.0,"$new_object":{"tags":{"b":2}}}]}"#
            )
            _ = try await fixture.after(
                #""pets":{"$update":[{"$identifier_key":"id","$identifier_value":3,"$new_object":{"id":4,"type":"fish"}}]}"#
            )
            #expect(
                try await pets(fixture)
                    == #"[{"id":1,"name":"Gus","type":"dog"},{"id":2,"name":"Gerry","tags":{"a":1,"b":2},"type":"cat"},{"id":4,"type":"fish"}]"#
            )
            _ = try await fixture.after(
                #""pets":{"$remove":[{"$identifier_key":"type","$identifier_value":"dog"},{"$identifier_key":"id","$identifier_value":404},{"$identifier_key":"id","$identifier_value":"4"}]}"#
            )
            #expect(
                try await pets(fixture)
                    == #"[{"id":2,"name":"Gerry","tags":{"a":1,"b":2},"type":"cat"},{"id":4,"type":"fish"}]"#)
        }
    }

    /// In any order of the request.
    @Test func addedObjectsCanBeRemovedAndRemainingOnesUpdated() async throws {
        try await RegistryFixture.with { fixture in
            _ = try await fixture.after(
                #""pets":{"$update":[{"$identifier_key":"id","$identifier_value":2,"$new_object":{"id":2,"new":true}}],"$remove":[{"$identifier_key":"id","$identifier_value":1}],"$add":[{"id":1},{"id":2}]}"#
            )
            #expect(try await pets(fixture) == #"[{"id":2,"new":true}]"#)
            #expect(
                try await fixture.after(#""none":{"$remove":[{"$identifier_key":"id","$identifier_value":1}]}"#)
                    .contains(
                        "none") == false)
        }
    }

    @Test func aRepeatChangesNothingAndNoVersion() async throws {
        try await RegistryFixture.with { fixture in
            let edits = [
                #""pets":{"$add":[{"type":"dog","id":1}]}"#, #""pets":{"$add":[{"id":1,"type":"dog"}]}"#,
                #""pets":{"$remove":[{"$identifier_key":"id","$identifier_value":9}]}"#,
                #""_merge_objects":true,"pets":{"$update":[{"$identifier_key":"id","$identifier_value":1,"$new_object":{"type":"dog"}}]}"#,
                #""_merge_objects":true,"pets":[]"#.replacing("pets", with: "o"),
            ]
            _ = try await fixture.after(#""o":{"a":1},"# + edits[0])
            let before = try await fixture.attributesVersion()
            for edit in edits { _ = try await fixture.after(edit) }
            #expect(try await fixture.attributesVersion() == before)
            #expect(try await pets(fixture) == #"[{"id":1,"type":"dog"}]"#)
        }
    }

    @Test func aReplacementInAFullArrayDropsNoOtherObject() async throws {
        try await RegistryFixture.with { fixture in
            let full = (1...500).map { #"{"id":\#($0)}"# }
            _ = try await fixture.after(#""pets":[\#(full.joined(separator: ","))]"#)
            _ = try await fixture.after(
                #""pets":{"$remove":[{"$identifier_key":"id","$identifier_value":250}],"$add":[{"id":501}]}"#)
            let kept = full.filter { $0 != #"{"id":250}"# } + [#"{"id":501}"#]
            #expect(try await pets(fixture)?.replacing(" ", with: "") == "[\(kept.joined(separator: ","))]")
            // Beyond the limit the first ones go, as before.
            _ = try await fixture.after(#""pets":{"$add":[{"id":502}]}"#)
            #expect(try await pets(fixture)?.contains(#"{"id":1}"#) == false)
        }
    }

    /// PHP writes a map without entries as an array.
    @Test func anEmptyArrayMeansAnEmptyObject() async throws {
        try await RegistryFixture.with { fixture in
            _ = try await fixture.after(#""o":{"a":1,"b":{"c":1}}"#)
            try await fixture.expect(#""_merge_objects":true,"o":[]"#, gives: #"{"o":{"a":1,"b":{"c":1}}}"#)
            try await fixture.expect(#""_merge_objects":true,"o":{"b":[]}"#, gives: #"{"o":{"a":1,"b":{"c":1}}}"#)
            try await fixture.expect(#""o":[]"#, gives: #"{"o":[]}"#)
            try await fixture.expect(#""_merge_objects":true,"o":{"a":2}"#, gives: #"{"o":{"a":2}}"#)
            let reply = try await fixture.track(
                #"{"events":[{"external_id":"u","user_alias":[],"name":"n","time":"2024-01-01","properties":[]}],"attributes":[{"external_id":"u","p":{"$add":[],"$update":[]}}]}"#
            )
            #expect(reply.errors.isEmpty && reply.eventsProcessed == 1)
        }
    }

    @Test func plainFieldsAreAppliedBesideAnInvalidFlagOrTokens() async throws {
        try await RegistryFixture.with { fixture in
            _ = try await fixture.after(#""o":{"a":1}"#)
            let reply = try await fixture.track(
                #"{"attributes":[{"external_id":"u","_merge_objects":1,"o":{"b":2},"list":[{"c":3}],"plain":4,"push_tokens":[7]},{"external_id":"u","_merge_objects":"True","o":{"d":5}}]}"#
            )
            #expect(reply.attributesProcessed == 2)
            #expect(
                reply.errors.map(\.type) == [
                    "'push_tokens' is not valid", "'_merge_objects' is not valid",
                    "'o' is not valid: '_merge_objects' doesn't say how it is meant",
                ])
            #expect(
                try await fixture.after(#""plain":4"#) == #"{"list":[{"c":3}],"o":{"a":1,"d":5},"plain":4}"#)
        }
    }

    @Test func plainFieldsAreAppliedBesideARefusedOne() async throws {
        try await RegistryFixture.with { fixture in
            _ = try await fixture.after(#""n":"text""#)
            let reply = try await fixture.track(
                #"{"attributes":[{"external_id":"u","a":1,"n":{"inc":1},"big":1e300,"x":{"$push":[1]},"y":{"$add":[7]},"z\u0000":1,"b":{"c":2}},{"external_id":"v","q":{"$add":"x"}}]}"#
            )
            #expect(reply.attributesProcessed == 1)
            let ofU = reply.errors.filter { $0.index == 0 }.map(\.type)
            #expect(
                Set(ofU) == [
                    RegistryFixture.unfit("n", "number"), "'big' is not valid: it has a number outside of ±2^53",
                    "'x' is not valid: of fields with $ only $add, $remove, $update and $time are known",
                    "'y' is not valid: $add must be an array of objects",
                    "the name of an attribute has U+0000 or half of a surrogate pair",
                ])
            #expect(reply.errors.filter { $0.index == 1 }.count == 1)
            let user = try #require(try await fixture.attributes(of: .externalID("u")))
            #expect(user.count == 3 && user[Array("a".utf8)] == 1 && user[Array("n".utf8)] == "text")
            // An object without valid fields creates no user.
            #expect(try await fixture.get(.externalID("v")) == nil)
        }
    }

    /// As a value it would take the place of the array that it means to change.
    @Test func aNestedOperatorIsRefusedAndChangesNothing() async throws {
        try await RegistryFixture.with { fixture in
            let kept = #"{"list":[{"id":1}],"o":{"n":1,"arr":[{"id":1}]}}"#
            try await fixture.expect(#""o":{"arr":[{"id":1}],"n":1},"list":[{"id":1}]"#, gives: kept)
            func match(_ object: String) -> String {
                #"{"$update":[{"$identifier_key":"id","$identifier_value":1,"$new_object":\#(object)}]}"#
            }
            for (name, value) in [
                ("o", #"{"arr":{"$add":[{"id":2}]}}"#), ("o", #"{"arr":{"\u0024add":[{"id":2}]}}"#),
                ("o", #"{"n":2,"deep":[1,{"er":[{"$remove":[]}]}]}"#), ("o", #"{"t":{"$time":{"$now":1}}}"#),
                ("list", #"[{"id":2},{"$push":1}]"#), ("list", #"{"add":[{"id":{"$add":[1]}}]}"#),
                ("list", #"{"$add":[{"id":2,"tags":{"$add":[{"a":1}]}}]}"#), ("list", #"{"$add":[{"$add":[]}]}"#),
                ("list", match(#"{"tags":{"$add":[{"a":1}]}}"#)), ("list", match(#"{"$add":[{"a":1}]}"#)),
            ] {
                for flag in ["", #""_merge_objects":true,"#] {
                    let reply = try await fixture.track(
                        #"{"attributes":[{"external_id":"u",\#(flag)"\#(name)":\#(value),"plain":1}]}"#)
                    #expect(
                        reply.errors.map(\.type) == [
                            "'\(name)' is not valid: of the names in nested objects only $time may begin with $"
                        ], "\(value)")
                    #expect(reply.attributesProcessed == 1, "\(value)")
                    try await fixture.expect(#""plain":null"#, gives: kept)
                }
            }
            // A time is a value, and what else begins with no $.
            try await fixture.expect(
                #""_merge_objects":true,"o":{"arr":{"add":["x"]},"n":{"inc":2},"t":{"$time":"1980-01-01"},"p":"$5"},"list":null"#,
                gives: #"{"o":{"n":{"inc":2},"p":"$5","t":{"$time":"1980-01-01"},"arr":{"add":["x"]}}}"#)
            try await fixture.expect(
                #""o":null,"list":{"$add":[{"at":{"$time":"1980-01-01"}}]}"#,
                gives: #"{"list":[{"at":{"$time":"1980-01-01"}}]}"#)
        }
    }

    @Test func invalidEditsAreNamed() async throws {
        try await RegistryFixture.with { fixture in
            for (edit, problem) in [
                (#"{"$add":[{"id":1}],"id":1}"#, "$add, $remove and $update stand beside no other field"),
                (#"{"$add":{"id":1}}"#, "$add must be an array of objects"),
                (#"{"$remove":[{"id":1}]}"#, "$identifier_key must be a string"),
                (
                    #"{"$remove":[{"$identifier_key":"id"}]}"#,
                    "$identifier_value must be a string, a number, or true or false"
                ),
                (#"{"$update":[{"$identifier_key":"id","$identifier_value":1}]}"#, "$new_object must be an object"),
                (
                    #"{"$add":[\#(Array(repeating: "{}", count: 501).joined(separator: ","))]}"#,
                    "$add has more than 500 values (array_elements)"
                ),
            ] {
                try await fixture.expect(#""a":\#(edit)"#, gives: "'a' is not valid: \(problem)")
            }
            _ = try await fixture.after(#""a":7"#)
            try await fixture.expect(#""a":{"$add":[{"id":1}]}"#, gives: RegistryFixture.unfit("a", "array"))
            try await fixture.expect(#""a":null,"t":{"$time":"1980-01-01"}"#, gives: #"{"t":{"$time":"1980-01-01"}}"#)
        }
    }

    /// Of an object with which the user would have too much, what is nested is refused.
    @Test func plainAttributesAreKeptIfNestedOnesAreTooLarge() async throws {
        try await RegistryFixture.with { fixture in
            func object(_ attributes: String) -> String { #"{"attributes":[{"external_id":"u",\#(attributes)}]}"# }
            let large = #"{"text":"\#(String(repeating: "x", count: Limits.attributesBytes.value - 10))"}"#
            let reply = try await fixture.track(object(#""city":"Paris","o":\#(large),"age":3"#))
            #expect(reply.attributesProcessed == 1)
            #expect(
                reply.errors.map(\.type) == [
                    "'o' is not valid: with it the user would have more than 65536 bytes (attributes_bytes)"
                ])
            let kept = try await fixture.get(.externalID("u"))?.attributes
            #expect(kept?.entries.map { String(decoding: $0.name, as: UTF8.self) }.sorted() == ["age", "city"])
            // Nothing else to apply, or nothing nested to leave out: all of it is refused.
            let half = String(repeating: "x", count: 40_000)
            for attributes in [#""o":\#(large)"#, #""a":"\#(half)","o":\#(large),"b":"\#(half)""#] {
                let reply = try await fixture.track(object(attributes))
                #expect(reply.attributesProcessed == 0)
                #expect(reply.errors.map(\.type) == ["the user would have more than 65536 bytes (attributes_bytes)"])
            }
            #expect(try await fixture.get(.externalID("u"))?.attributes == kept)
        }
    }
}
