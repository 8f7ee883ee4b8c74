import MusterProtocol
import Testing

@testable import MusterStore

@Suite struct RefusalTests {
    @Test func anEntryIsRefusedAsAWholeAndNamesItsPart() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(externalID: "u-1", deviceIDs: ["d-1"]))
            let refused = UserEntry(
                externalID: "u-2", aliases: [Alias(label: "crm", name: "2")], deviceIDs: ["d-2", "d-1"],
                attributes: ["a": 1])
            let reply = try await fixture.upsert(refused, .external("u-3"))
            #expect(reply.outcomes == [.refused, .created])
            #expect(reply.results[0].reason == .taken)
            #expect(reply.results[0].message == "device_ids[1] belongs to another user")
            for nobody in [UserReference.externalID("u-2"), .crm("2"), .deviceID("d-2")] {
                #expect(try await fixture.get(nobody) == nil)
            }
            // A stored user keeps what it had.
            let second = UserEntry(externalID: "u-3", deviceIDs: ["d-4", "d-1"], attributes: ["a": 1])
            #expect(try await fixture.upsert(second).outcomes == [.refused])
            #expect(try await fixture.get(.deviceID("d-4")) == nil)
            #expect(try await fixture.attributes(of: .externalID("u-3")) == [:])
        }
    }

    @Test func anEntryWithoutIdentifierIsRefused() async throws {
        try await RegistryFixture.with { fixture in
            let reply = try await fixture.upsert(
                UserEntry(attributes: ["a": 1]), UserEntry(aliases: [], deviceIDs: []), .external("u"))
            #expect(reply.results.map(\.reason) == [.noIdentifier, .noIdentifier, nil])
        }
    }

    @Test func theLongestIdentifiersAreAccepted() async throws {
        try await RegistryFixture.with { fixture in
            let long = Identifier(bytes: (0..<1024).map { _ in UInt8.random(in: 33...126) })
            let label = Identifier(String(repeating: "é", count: 128))
            let entry = UserEntry(externalID: long, aliases: [Alias(label: label, name: long)], deviceIDs: [long])
            let outcomes = try await fixture.upsert(entry, entry).outcomes
            #expect(outcomes == [.created, .unchanged])
            #expect(try await fixture.upsert(entry).outcomes == [.unchanged])
        }
    }

    @Test func aUserHasOneAliasALabel() async throws {
        try await RegistryFixture.with { fixture in
            let one = Alias(label: "crm", name: "1")
            let two = Alias(label: "crm", name: "2")
            let reply = try await fixture.upsert(
                UserEntry(externalID: "u", aliases: [one, two]), UserEntry(externalID: "u", aliases: [one, one]),
                UserEntry(externalID: "u", aliases: [two]))
            #expect(reply.results.map(\.reason) == [.labelTaken, nil, .labelTaken])
            #expect(reply.results[0].message == "aliases[1]: the user has another name under its label")
            // The same where the user is stored.
            #expect(try await fixture.upsert(UserEntry(aliases: [one, two])).results[0].reason == .labelTaken)
            #expect(try await fixture.upsert(UserEntry(aliases: [two])).outcomes == [.created])
        }
    }

    @Test func theAliasesDevicesAndAttributesOfAUserAreBounded() async throws {
        try await RegistryFixture.with { fixture in
            func aliases(_ range: Range<Int>) -> [Alias] {
                range.map { Alias(label: Identifier("l\($0)"), name: "n") }
            }
            func devices(_ range: Range<Int>) -> [Identifier] { range.map { Identifier("d\($0)") } }
            func attributes(_ range: Range<Int>) -> Attributes {
                Attributes(range.map { .init(name: Array("a\($0)".utf8), value: 1) })
            }
            let full = UserEntry(
                externalID: "u", aliases: aliases(0..<128), deviceIDs: devices(0..<128), attributes: attributes(0..<256)
            )
            #expect(try await fixture.upsert(full).outcomes == [.created])
            let reply = try await fixture.upsert(
                UserEntry(externalID: "u", aliases: aliases(128..<129)),
                UserEntry(externalID: "u", deviceIDs: devices(128..<129)),
                UserEntry(externalID: "u", attributes: attributes(256..<257)),
                UserEntry(externalID: "v", aliases: aliases(200..<329)), full,
                UserEntry(externalID: "u", attributes: ["a0": .null, "b0": 1]))
            #expect(reply.results.map(\.reason) == [.tooMany, .tooMany, .tooMany, .tooMany, nil, nil])
            #expect(
                reply.results.compactMap(\.message) == [
                    "aliases[0]: the user would have more than 128 aliases (aliases_per_user)",
                    "device_ids[0]: the user would have more than 128 devices (devices_per_user)",
                    "attributes: the user would have more than 256 attributes (attributes_per_user)",
                    "aliases[128]: the user would have more than 128 aliases (aliases_per_user)",
                ])
        }
    }

    @Test func theBytesOfAttributesAreBoundedByEntryAndByUser() async throws {
        try await RegistryFixture.with { fixture in
            func text(_ count: Int) -> AttributeValue { .string([UInt8](repeating: 65, count: count)) }
            // {"a":"…"} is 8 bytes beside the text.
            let reply = try await fixture.upsert(
                .external("u", ["a": text(65_528)]), .external("v", ["a": text(65_529)]), .external("u", ["b": 1]),
                .external("u", ["a": "short", "b": 1]))
            #expect(reply.results.map(\.reason) == [nil, .tooMany, .tooMany, nil])
            #expect(
                reply.results[2].message == "attributes: the user would have more than 65536 bytes (attributes_bytes)")
        }
    }

    @Test func noMessageShowsAnIdentifier() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                UserEntry(
                    externalID: "secret-1", aliases: [Alias(label: "secret", name: "secret")], deviceIDs: ["secret"]))
            let reply = try await fixture.upsert(
                UserEntry(externalID: "secret-2", deviceIDs: ["secret"]), .external("secret\n"),
                UserEntry(externalID: "secret-1", aliases: [Alias(label: "secret", name: "secret-3")]),
                .external("secret-1", [String(repeating: "secret", count: 50): 1]))
            #expect(reply.refused == 4)
            #expect(reply.results.allSatisfy { $0.message?.contains("secret") == false })
        }
    }
}
