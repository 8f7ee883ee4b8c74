public import MusterProtocol

/// The two attributes that find users. Writers and look-ups use one rule for the form in which they are stored.
public enum ContactKind: String, Sendable {
    case email, phone

    /// Nil for any other attribute.
    package init?(attribute name: some Sequence<UInt8>) {
        if name.elementsEqual("email".utf8) {
            self = .email
        } else if name.elementsEqual("phone".utf8) {
            self = .phone
        } else {
            return nil
        }
    }

    /// The form that is stored and compared: without white space at its ends, and an e-mail address in ASCII lower
    /// case.
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

    /// The value to store; nil where it is not valid. `null` removes, and a whole number is a telephone number's
    /// digits.
    package func normalized(_ value: AttributeValue) -> AttributeValue? {
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

    /// Whether there is a local part, one @, and a domain without empty labels. Only the domain's servers know more.
    private static func isEmail(_ bytes: some Collection<UInt8>) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !bytes.contains(UInt8(ascii: " ")) else { return false }
        return parts[1].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
    }
}

extension Attributes.Entry {
    /// With the value to store; one that is not valid stays, and is refused later.
    var normalized: Attributes.Entry {
        guard let kind = ContactKind(attribute: name), let normalized = kind.normalized(value) else { return self }
        return Attributes.Entry(name: name, value: normalized)
    }

    /// Why the address or telephone number is not valid, as a sentence; nil for a valid one and for other attributes.
    var contactProblem: String? {
        guard let kind = ContactKind(attribute: name), kind.normalized(value) == nil else { return nil }
        return kind == .email ? "email must be an e-mail address" : "phone must be a telephone number"
    }
}

extension Identifier {
    /// In ASCII lower case, as e-mail addresses are stored.
    fileprivate var loweringASCII: Identifier {
        let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
        guard bytes.contains(where: capitals.contains) else { return self }
        return Identifier(bytes: bytes.map { capitals.contains($0) ? $0 | 0x20 : $0 })
    }
}
