/// Serializes scalars.
enum JSONText {
    /// Quotes bytes that are known to be UTF-8; escapes only what must be escaped.
    static func append(escaping text: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var start = 0
        for (index, byte) in text.enumerated() where mustEscape(byte) {
            bytes.append(raw: .init(rebasing: text[start..<index]))
            appendEscape(of: byte, to: &bytes)
            start = index + 1
        }
        bytes.append(raw: .init(rebasing: text[start...]))
        bytes.append(UInt8(ascii: "\""))
    }

    /// Quotes arbitrary bytes; throws when they are not UTF-8. U+0000 is allowed: the receiver attributes it to its
    /// entry.
    static func append(checking text: UnsafeRawBufferPointer, to bytes: inout [UInt8]) throws(JSONError) {
        if isPlain(text) {
            bytes.append(UInt8(ascii: "\""))
            bytes.append(raw: text)
            return bytes.append(UInt8(ascii: "\""))
        }
        guard text.allSatisfy({ $0 < 0x80 }) || String(validating: text, as: UTF8.self) != nil else {
            throw JSONError(.malformed, "a string to be sent is not UTF-8")
        }
        append(escaping: text, to: &bytes)
    }

    /// Whether text is ASCII that needs no escapes, as most identifiers are; tests eight bytes at a time.
    private static func isPlain(_ text: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        /// Sets the top bit of each byte that is 0, and possibly of the byte above one.
        func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & tops }
        var index = 0
        while index + 8 <= text.count {
            let word = text.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let controls = (word &- ones &* 0x20) & ~word & tops
            let special = controls | zeros(word ^ ones &* 0x22) | zeros(word ^ ones &* 0x5C)
            if (special | word & tops) != 0 { return false }
            index += 8
        }
        return text[index...].allSatisfy { $0 < 0x80 && !mustEscape($0) }
    }

    static func append(checking text: [UInt8], to bytes: inout [UInt8]) throws(JSONError) {
        try text.withUnsafeBufferPointer { (text) throws(JSONError) in
            try append(checking: UnsafeRawBufferPointer(text), to: &bytes)
        }
    }

    static func append(checking integer: Int64, to bytes: inout [UInt8]) throws(JSONError) {
        guard integer.magnitude <= 1 << 53 else {
            throw JSONError(.outOfRange, "an integer to be sent is outside of ±2^53")
        }
        append(integer, to: &bytes)
    }

    static func append(checking number: Double, to bytes: inout [UInt8]) throws(JSONError) {
        guard number.isFinite else { throw JSONError(.outOfRange, "a number to be sent is not finite") }
        append(finite: number, to: &bytes)
    }

    private static func mustEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func appendEscape(of byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        default:
            let digits: StaticString = "0123456789abcdef"
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(digits.utf8Start[Int(byte >> 4)])
            bytes.append(digits.utf8Start[Int(byte & 15)])
        }
    }

    static func append(_ integer: Int64, to bytes: inout [UInt8]) {
        if integer < 0 { bytes.append(UInt8(ascii: "-")) }
        // 20 digits are enough for 64 bits. They are made from the last to the first.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var first = digits.count
            var rest = integer.magnitude
            repeat {
                first -= 1
                digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[first...]))
        }
    }

    /// A double in the fewest digits that read back exactly; without fraction or exponent when it is whole.
    static func append(finite number: Double, to bytes: inout [UInt8]) {
        if abs(number) <= 0x1p53, let whole = Int64(exactly: number) { return append(whole, to: &bytes) }
        bytes.append(contentsOf: number.description.utf8)
    }
}
