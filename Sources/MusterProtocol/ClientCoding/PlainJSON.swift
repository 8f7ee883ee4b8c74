/// Reads JSON exactly as our server writes it: without white space, the fields in their order, strings without escapes.
///
/// Each method returns nil or false where something else comes. The value is then read by `JSONDecoding`, which takes
/// all valid JSON and says what is wrong with the rest.
public struct PlainJSON {
    private let bytes: UnsafeRawBufferPointer
    /// How many bytes were read.
    public private(set) var index = 0

    /// Begins at the first of the bytes.
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Whether all bytes were read.
    public var isAtEnd: Bool { index == bytes.count }

    /// Passes over this text, if it comes next.
    @inline(__always)
    public mutating func take(_ text: StaticString) -> Bool {
        let end = index + text.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        let found = UnsafeRawBufferPointer(rebasing: bytes[index..<end])
        guard bytesEqual(found, .init(start: text.utf8Start, count: text.utf8CodeUnitCount)) else { return false }
        index = end
        return true
    }

    /// The whole number that comes next; it has at most 15 digits.
    public mutating func integer() -> Int? {
        let isNegative = take("-")
        let start = index
        var number = 0
        while index < bytes.count, case let digit = bytes[index] &- UInt8(ascii: "0"), digit < 10 {
            guard index < start + 15 else { return nil }
            number = number * 10 + Int(digit)
            index += 1
        }
        guard index > start, bytes[start] != UInt8(ascii: "0") || index == start + 1 else { return nil }
        guard index < bytes.count, !".eE".utf8.contains(bytes[index]) else { return nil }
        return isNegative ? -number : number
    }

    /// The boolean that comes next.
    public mutating func bool() -> Bool? {
        if take("true") { return true }
        return take("false") ? false : nil
    }

    /// The string that comes next.
    public mutating func string() -> String? {
        guard let (text, isASCII) = quoted() else { return nil }
        return isASCII ? String(decoding: text, as: UTF8.self) : String(validating: text, as: UTF8.self)
    }

    /// The identifier that comes next.
    public mutating func identifier() -> Identifier? {
        guard let (text, isASCII) = quoted() else { return nil }
        guard isASCII || String(validating: text, as: UTF8.self) != nil else { return nil }
        return Identifier(bytes: text)
    }

    private mutating func quoted() -> (text: UnsafeRawBufferPointer, isASCII: Bool)? {
        guard take("\"") else { return nil }
        let start = index
        var all: UInt8 = 0
        while index < bytes.count, case let byte = bytes[index], byte != UInt8(ascii: "\"") {
            guard byte >= 0x20, byte != UInt8(ascii: "\\") else { return nil }
            all |= byte
            index += 1
        }
        let text = UnsafeRawBufferPointer(rebasing: bytes[start..<index])
        return take("\"") ? (text, all < 0x80) : nil
    }

    /// The elements of the array that comes next.
    @inline(__always)
    mutating func array<Element>(_ element: (inout PlainJSON) -> Element?) -> [Element]? {
        guard take("[") else { return nil }
        var elements: [Element] = []
        if take("]") { return elements }
        repeat {
            guard let next = element(&self) else { return nil }
            elements.append(next)
        } while take(",")
        return take("]") ? elements : nil
    }
}

extension [UInt8] {
    /// Appends text that needs no escapes.
    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(field name: StaticString, _ flag: Bool?) {
        guard let flag else { return }
        append(name)
        append(flag ? "true" : "false")
    }

    mutating func append(field name: StaticString, _ number: Int?) throws(JSONError) {
        guard let number else { return }
        append(name)
        try JSONText.append(checking: Int64(number), to: &self)
    }
}
