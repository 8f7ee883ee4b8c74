/// Identifiers in one piece of memory: those of an import are never strings, and cost no allocation each.
public struct IdentifierList: Equatable, Sendable {
    /// The bytes of all of them, one after another.
    public private(set) var bytes: [UInt8]
    /// Where each of them ends in `bytes`.
    public private(set) var ends: [Int32]

    /// No identifiers.
    public init() {
        bytes = []
        ends = []
    }

    /// These identifiers.
    public init(_ identifiers: some Sequence<Identifier>) {
        self.init()
        for identifier in identifiers { append(identifier) }
    }

    init(bytes: [UInt8], ends: [Int32]) {
        self.bytes = bytes
        self.ends = ends
    }

    /// Makes room beforehand.
    public mutating func reserveCapacity(_ count: Int, bytes byteCount: Int) {
        bytes.reserveCapacity(byteCount)
        ends.reserveCapacity(count)
    }

    /// Adds an identifier. All of them together take less than 2 GB, as what PostgreSQL takes in one parameter does.
    public mutating func append(_ identifier: Identifier) {
        bytes.append(contentsOf: identifier.bytes)
        ends.append(Int32(bytes.count))
    }

    /// Adds an identifier by its bytes.
    public mutating func append(_ identifier: UnsafeRawBufferPointer) {
        bytes.append(raw: identifier)
        ends.append(Int32(bytes.count))
    }

    /// Where the bytes of an identifier stand in `bytes`.
    public func range(at position: Int) -> Range<Int> {
        (position == 0 ? 0 : Int(ends[position - 1]))..<Int(ends[position])
    }

    /// The bytes of an identifier, without copying them.
    public func withBytes<R, E: Error>(at position: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R
    {
        let range = range(at: position)
        return try bytes.withUnsafeBufferPointer { (all) throws(E) in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[range])))
        }
    }
}

extension IdentifierList: RandomAccessCollection, ExpressibleByArrayLiteral {
    /// The first position.
    public var startIndex: Int { 0 }
    /// The position after the last.
    public var endIndex: Int { ends.count }
    /// A copy of one identifier; `withBytes(at:)` makes none.
    public subscript(position: Int) -> Identifier { Identifier(bytes: bytes[range(at: position)]) }
    /// These identifiers.
    public init(arrayLiteral identifiers: Identifier...) { self.init(identifiers) }
}

extension IdentifierList: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// How many there are, never who.
    public var description: String { "‹\(count) identifiers›" }
    /// How many there are, never who.
    public var debugDescription: String { description }
    /// How many there are, never who.
    public var customMirror: Mirror { Mirror(self, children: ["count": count]) }
}

extension IdentifierList: Codable {
    /// From an array of strings; `JSONDecoding` doesn't come here, but copies the bytes as they stand.
    public init(from decoder: any Decoder) throws {
        self.init()
        var container = try decoder.unkeyedContainer()
        while !container.isAtEnd { append(try container.decode(Identifier.self)) }
    }

    /// As an array of strings; `JSONEncoding` doesn't come here either.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for identifier in self { try container.encode(identifier) }
    }
}

extension IdentifierList {
    /// The strings of an array, in one copy each and two allocations in all. One that can't be kept is taken with its
    /// U+0000, so that it counts as invalid in its place.
    init(_ value: JSONValue) throws(JSONError) {
        let elements = try value.elements()
        var total = 0
        for element in elements {
            guard element.kind == .string else { throw element.mismatch("a string") }
            total += element.text.count
        }
        var ends: [Int32] = []
        ends.reserveCapacity(value.count)
        bytes = [UInt8](unsafeUninitializedCapacity: total) { buffer, filled in
            let buffer = UnsafeMutableRawBufferPointer(buffer)
            for element in elements {
                let text = element.text
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(from: text)
                filled += text.count
                ends.append(Int32(truncatingIfNeeded: filled))  // a message is at most 1 GB
            }
        }
        self.ends = ends
    }
}

extension Identifier {
    init(_ value: JSONValue) throws(JSONError) {
        bytes = Array(try value.stringBytes())
    }
}
