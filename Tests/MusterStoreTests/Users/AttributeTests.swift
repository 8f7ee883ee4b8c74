import MusterProtocol
import MusterUsers
import Testing

@testable import MusterStore

@Suite struct AttributeTests {
    /// As a message brings it.
    private func entry(_ json: String) throws -> UserEntry { try JSONDecoding.decode(from: Array(json.utf8)) }

    @Test func attributesMergeAndNullRemoves() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u-1", ["a": 1, "b": "x", "c": true]))
            #expect(
                try await fixture.upsert(.external("u-1", ["b": "y", "c": .null, "d": .null])).outcomes == [.updated])
            #expect(try await fixture.attributes(of: .externalID("u-1")) == (["a": 1, "b": "y"] as Attributes).byName)
            #expect(try await fixture.upsert(.external("u-1", ["c": .null])).outcomes == [.unchanged])
            try await fixture.upsert(.external("u-2", ["c": .null]))
            #expect(try await fixture.attributes(of: .externalID("u-2")) == [:])
        }
    }

    @Test func everyValueIsStoredAndFoundUnchanged() async throws {
        try await RegistryFixture.with { fixture in
            let user = try entry(
                #"""
                {"external_id": "u-1", "attributes": {"string": "é\"\n", "empty": "", "int": -9007199254740992, "zero": -0.0,
                "half": 0.1, "tiny": 5e-324, "long": 1.7976931348623157e-300, "yes": true, "strings": ["b", "a"], "none": [],
                "numbers": [1, 2.50, null], "nested": {"zz": {"b": [{}], "a": 1e2}, "a": "\u00e9", "Z": null}, "null": null}}
                """#)
            #expect(try await fixture.upsert(user).outcomes == [.created])
            #expect(try await fixture.upsert(user).outcomes == [.unchanged])
            let stored = try #require(try await fixture.attributes(of: .externalID("u-1")))
            for attribute in user.attributes?.entries ?? [] where attribute.value != .null {
                #expect(stored[attribute.name]?.isEquivalent(to: attribute.value) == true)
            }
            #expect(stored.count == 12)
        }
    }

    @Test func nestedValuesAreComparedWithoutTheOrderOfTheirFields() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                try entry(#"{"external_id": "u", "attributes": {"n": {"bb": [1, {"y": 2, "x": 1}], "a": 1}}}"#))
            let same = try entry(#"{"external_id": "u", "attributes": {"n": {"a": 1.0, "bb": [1, {"x": 1, "y": 2}]}}}"#)
            #expect(try await fixture.upsert(same).outcomes == [.unchanged])
            let other = try entry(#"{"external_id": "u", "attributes": {"n": {"a": 1, "bb": [{"x": 1, "y": 2}, 1]}}}"#)
            #expect(try await fixture.upsert(other).outcomes == [.updated])
        }
    }

    @Test func theVersionOfAttributesCountsTheirChangesOnly() async throws {
        try await RegistryFixture.with { fixture in
            let start = try await fixture.attributesVersion()
            try await fixture.upsert(.external("u-1"))
            #expect(try await fixture.attributesVersion() == start)
            try await fixture.upsert(.external("u-1", ["a": 1]), .external("u-2", ["a": 1]))
            #expect(try await fixture.attributesVersion() == start + 1)
            try await fixture.upsert(.external("u-1", ["a": 1]), UserEntry(externalID: "u-1", deviceIDs: ["d"]))
            #expect(try await fixture.attributesVersion() == start + 1)
            try await fixture.delete(.externalID("u-1"))
            #expect(try await fixture.attributesVersion() == start + 2)
        }
    }

    @Test func valuesThatCannotBeReadAgainAreNotStored() async throws {
        try await RegistryFixture.with { fixture in
            let bad = [#"{"a": 1e20}"#, #"{"b": 1, "a": -1.5e300}"#, #"{"a": {"deep": [1, [2e16]]}}"#]
            for attributes in bad {
                let reply = try await fixture.upsert(try entry(#"{"external_id": "u", "attributes": \#(attributes)}"#))
                #expect(reply.results.first?.reason == .invalid)
                #expect(reply.results.first?.message?.hasSuffix("has a number outside of ±2^53") == true)
            }
            #expect(try await fixture.get(.externalID("u")) == nil)
        }
    }

    @Test func anAttributeNameIsBytes() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u", ["caf\u{E9}": 1, "cafe\u{301}": 2]))
            #expect(try await fixture.attributes(of: .externalID("u"))?.count == 2)
            try await fixture.upsert(.external("u", ["cafe\u{301}": .null]))
            #expect(try await fixture.attributes(of: .externalID("u")) == (["caf\u{E9}": 1] as Attributes).byName)
        }
    }
}
