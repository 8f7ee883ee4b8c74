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
    public func normalized(_ text: Identifier) -> Identifier {
        let bytes = text.bytes
        var (start, end) = (0, bytes.count)
        while start < end, let length = Self.blank(at: start, of: bytes) { start += length }
        while start < end, let length = Self.blank(before: end, of: bytes) { end -= length }
        let isTrimmed = end - start == bytes.count
        let trimmed = isTrimmed ? text : Identifier(bytes: bytes[min(start, end)..<end])
        return self == .email ? trimmed.loweringASCII : trimmed
    }

    /// The length of the white space, as Unicode has it, that begins at this byte; nil where none does.
    private static func blank(at start: Int, of bytes: [UInt8]) -> Int? {
        func byte(_ offset: Int) -> UInt8 { start + offset < bytes.count ? bytes[start + offset] : 0 }
        switch bytes[start] {
        case 0x09...0x0D, 0x20: return 1
        // U+0085 and U+00A0.
        case 0xC2: return byte(1) == 0x85 || byte(1) == 0xA0 ? 2 : nil
        case 0xE1: return byte(1) == 0x9A && byte(2) == 0x80 ? 3 : nil
        case 0xE2:
            switch (byte(1), byte(2)) {
            // U+2000 to U+200A, U+2028, U+2029, U+202F and U+205F.
            case (0x80, 0x80...0x8A), (0x80, 0xA8), (0x80, 0xA9), (0x80, 0xAF), (0x81, 0x9F): return 3
            default: return nil
            }
        case 0xE3: return byte(1) == 0x80 && byte(2) == 0x80 ? 3 : nil
        default: return nil
        }
    }

    /// The length of the white space that ends before this byte; nil where none does.
    private static func blank(before end: Int, of bytes: [UInt8]) -> Int? {
        guard bytes[end - 1] >= 0x80 else { return blank(at: end - 1, of: bytes) }
        for length in 2...3 where end >= length && blank(at: end - length, of: bytes) == length { return length }
        return nil
    }

    /// The value as it is kept; nil where it can't be one. `null` removes, and a number is its digits, as clients write
    /// telephone numbers.
    func normalized(_ value: AttributeValue) -> AttributeValue? {
        let text: Identifier
        switch value {
        case .null: return .null
        case .string(let bytes): text = normalized(Identifier(bytes: bytes))
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
    var normalized: Attributes.Entry {
        guard let kind = ContactKind(attribute: name), let normalized = kind.normalized(value) else { return self }
        return Attributes.Entry(name: name, value: normalized)
    }

    /// Why it can't be kept, as the end of a sentence; nil where it can, or is no address and no number.
    var contactProblem: String? {
        guard let kind = ContactKind(attribute: name), kind.normalized(value) == nil else { return nil }
        return kind == .email ? "email must be an e-mail address" : "phone must be a telephone number"
    }
}
