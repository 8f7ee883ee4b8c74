import MusterProtocol
import MusterUsers
import Testing

@Suite struct ValidatedEntryTests {
    @Test(arguments: [
        (UserEntry(externalID: ""), "external_id is empty"),
        (
            UserEntry(externalID: Identifier(String(repeating: "x", count: 1025))),
            "external_id is over 1024 bytes (identifier_bytes)"
        ),
        (UserEntry(externalID: "a\u{7F}"), "external_id has a control character"),
        (
            UserEntry(externalID: "u", aliases: [Alias(label: "l", name: "n"), Alias(label: "l2", name: "")]),
            "aliases[1].alias_name is empty"
        ),
        (
            UserEntry(aliases: [Alias(label: Identifier(String(repeating: "x", count: 257)), name: "n")]),
            "aliases[0].alias_label is over 256 bytes (alias_label_bytes)"
        ),
        (UserEntry(deviceIDs: ["d", "a\nb"]), "device_ids[1] has a control character"),
        (UserEntry(externalID: "u", attributes: ["": 1]), "the name of attribute 0 is empty"),
        (
            UserEntry(
                externalID: "u",
                attributes: Attributes([.init(name: [UInt8](repeating: 65, count: 257), value: 1)])),
            "the name of attribute 0 is over 256 bytes (attribute_name_bytes)"
        ),
    ])
    func invalidEntriesSayWhere(entry: UserEntry, message: String) {
        let refusal = ValidatedEntry(entry).refusal
        #expect(refusal == .init(.refused, reason: .invalid, message: message))
    }

    @Test func anEntryNeedsAnIdentifier() {
        for entry in [UserEntry(attributes: ["a": 1]), UserEntry(aliases: [], deviceIDs: [])] {
            #expect(ValidatedEntry(entry).refusal?.reason == .noIdentifier)
        }
        #expect(ValidatedEntry(UserEntry(deviceIDs: ["d"])).refusal == nil)
    }

    @Test func anAliasOfAUserMakesNobody() throws {
        let batch = UpsertBatch([NewAlias(externalID: "u", label: "crm", name: "1")].map(ValidatedEntry.init))
        let plan = try UpsertPlan(batch.entries, users: [], holders: [:])
        #expect(plan.users.isEmpty)
        #expect(plan.results == [.init(.refused, reason: .unknown, message: "external_id finds nobody")])
    }
}
