public import MusterProtocol

/// The two attributes by which users are found: one rule for how they are kept, whoever writes them, and looked for.
public enum ContactKind: String, Sendable {
    case email, phone

    /// Nil for any other attribute.
    init?(attribute name: some Sequence<UInt8>) {
        if name.elementsEqual("email".utf8) {
            self = .email
        } else if name.elementsEqual("phone".utf8) {
            self = .phone
        } else {
            return nil
        }
    }

    /// What is kept and compared: without blanks at its ends, and an e-mail address with a to z in the place of A to Z.
    public func normal(_ text: Identifier) -> Identifier {
        let bytes = text.bytes
        guard let first = bytes.firstIndex(where: { !Self.isBlank($0) }),
            let last = bytes.lastIndex(where: { !Self.isBlank($0) })
        else { return Identifier(bytes: []) }
        let isTrimmed = last - first + 1 == bytes.count
        let trimmed = isTrimmed ? text : Identifier(bytes: bytes[first...last])
        return self == .email ? trimmed.loweringASCII : trimmed
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x09...0x0D, 0x20: true
        default: false
        }
    }

    /// The value as it is kept; nil where it can't be one. `null` removes, and a number is its digits, as clients write
    /// telephone numbers.
    func kept(_ value: AttributeValue) -> AttributeValue? {
        let text: Identifier
        switch value {
        case .null: return .null
        case .string(let bytes): text = normal(Identifier(bytes: bytes))
        case .integer(let number) where self == .phone && number > 0: text = Identifier(String(number))
        default: return nil
        }
        guard text.validity == .valid, self == .phone || Self.isEmail(text.bytes) else { return nil }
        return .string(Array(text.bytes))
    }

    /// Something, one @, and a domain without empty parts: what a mail server would refuse before it asks anyone. Which
    /// addresses there are, only their servers know.
    private static func isEmail(_ bytes: some Collection<UInt8>) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !bytes.contains(UInt8(ascii: " ")) else { return false }
        return parts[1].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
    }
}

extension Attributes.Entry {
    /// As it is kept; what can't be kept stays, and is refused.
    var asKept: Attributes.Entry {
        guard let kind = ContactKind(attribute: name), let kept = kind.kept(value) else { return self }
        return Attributes.Entry(name: name, value: kept)
    }

    /// Why it can't be kept, as the end of a sentence; nil where it can, or is no address and no number.
    var contactProblem: String? {
        guard let kind = ContactKind(attribute: name), kind.kept(value) == nil else { return nil }
        return kind == .email ? "email must be an e-mail address" : "phone must be a telephone number"
    }
}
