import MusterProtocol
import MusterUsers
import Testing

@Suite struct AttributeTests {
    private func attributes(_ json: String) throws -> AttributesByName {
        try Attributes(stored: Array(json.utf8)).byName
    }

    @Test func nullRemovesAndEqualValuesChangeNothing() throws {
        var user = try attributes(#"{"a": 1, "b": {"x": 1, "y": [2]}, "c": true}"#)
        let same = try Attributes(stored: Array(#"{"a": 1.0, "b": {"y": [2.0], "x": 1}, "d": null}"#.utf8))
        let changedBySame = user.merge(same.entries)
        #expect(!changedBySame)
        let other = try Attributes(stored: Array(#"{"a": 2, "b": null}"#.utf8))
        let changedByOther = user.merge(other.entries)
        #expect(changedByOther)
        #expect(user == (["a": 2, "c": true] as Attributes).byName)
    }

    @Test func aUserKeepsWhatSheHasAndGetsWhatIsMissing() throws {
        var user = try attributes(#"{"a": 1}"#)
        let filled = [
            user.fill(from: try attributes(#"{"a": 2}"#)), user.fill(from: try attributes(#"{"a": 2, "b": 2}"#)),
        ]
        #expect(filled == [false, true])
        #expect(user == (["a": 1, "b": 2] as Attributes).byName)
    }

    @Test func aUserHasNoMoreThanItsLimits() throws {
        var user: AttributesByName = [:]
        for number in 0..<Limits.attributesPerUser.value { user[Array("a\(number)".utf8)] = 1 }
        _ = try user.jsonWithinLimits
        user[Array("b".utf8)] = 1
        #expect(throws: UserRefusal.tooMany(Limits.attributesPerUser)) { try user.jsonWithinLimits }
        user = [Array("a".utf8): .string([UInt8](repeating: 65, count: Limits.attributesBytes.value))]
        #expect(throws: UserRefusal.tooMany(Limits.attributesBytes)) { try user.jsonWithinLimits }
    }

    @Test(
        arguments: [
            (ContactKind.email, " Ada@Example.COM\u{3000}", "ada@example.com"), (.email, "É@X.eu", "É@x.eu"),
            (.email, "a.example.com", nil), (.email, "a@b@c", nil), (.email, "@x.eu", nil), (.email, "a@x..eu", nil),
            (.email, "a b@x.eu", nil), (.email, " ", nil), (.phone, "\u{A0}+49 30 1 ", "+49 30 1"),
            (.phone, "\u{85}", nil),
        ] as [(ContactKind, String, String?)])
    func contactsHaveOneStoredForm(kind: ContactKind, text: String, stored: String?) {
        let value = AttributeValue.string(Array(text.utf8))
        #expect(kind.normalized(value) == stored.map { .string(Array($0.utf8)) })
        if let stored { #expect(kind.normalized(Identifier(text)) == Identifier(stored)) }
    }

    @Test func aNumberIsATelephoneNumberAndNoAddress() {
        #expect(ContactKind.phone.normalized(.integer(4930)) == "4930")
        #expect(ContactKind.phone.normalized(.integer(-1)) == nil)
        #expect(ContactKind.email.normalized(.integer(1)) == nil)
        #expect(ContactKind.email.normalized(.null) == .null)
    }
}
