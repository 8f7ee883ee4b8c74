/// Identifiers in contiguous memory. Those of an import never become strings and need no allocation each.
public struct IdentifierList: Equatable, Sendable {
    /// The bytes of all identifiers, concatenated.
    public private(set) var bytes: [UInt8]
    /// The end of each identifier in `bytes`.
    public private(set) var ends: [Int32]

    /// Makes an empty list.
    public init() {
        bytes = []
        ends = []
    }

    /// Makes a list of these identifiers.
    public init(_ identifiers: some Sequence<Identifier>) {
        self.init()
        for identifier in identifiers { append(identifier) }
    }

    init(bytes: [UInt8], ends: [Int32]) {
        self.bytes = bytes
        self.ends = ends
    }

    /// Reserves capacity.
    public mutating func reserveCapacity(_ count: Int, bytes byteCount: Int) {
        bytes.reserveCapacity(byteCount)
        ends.reserveCapacity(count)
    }

    /// Appends an identifier. All together must stay below 2 GB, the limit of a PostgreSQL parameter.
    public mutating func append(_ identifier: Identifier) {
        bytes.append(contentsOf: identifier.bytes)
        ends.append(Int32(bytes.count))
    }

    /// Appends an identifier by its bytes.
    public mutating func append(_ identifier: UnsafeRawBufferPointer) {
        bytes.append(raw: identifier)
        ends.append(Int32(bytes.count))
    }

    /// The range of an identifier's bytes in `bytes`.
    public func range(at position: Int) -> Range<Int> {
        (position == 0 ? 0 : Int(ends[position - 1]))..<Int(ends[position])
    }

    /// The bytes of an identifier, without a copy.
    public func withBytes<R, E: Error>(at position: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R
    {
        let range = range(at: position)
        return try bytes.withUnsafeBufferPointer { (all) throws(E) in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[range])))
        }
    }
}

extension IdentifierList: RandomAccessCollection, ExpressibleByArrayLiteral {
    /// The first index.
    public var startIndex: Int { 0 }
    /// The index after the last.
    public var endIndex: Int { ends.count }
    /// A copy of one identifier; `withBytes(at:)` avoids the copy.
    public subscript(position: Int) -> Identifier { Identifier(bytes: bytes[range(at: position)]) }
    /// Makes a list of these identifiers.
    public init(arrayLiteral identifiers: Identifier...) { self.init(identifiers) }
}

extension IdentifierList: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The count, never the content.
    public var description: String { "‹\(count) identifiers›" }
    /// The count, never the content.
    public var debugDescription: String { description }
    /// The count, never the content.
    public var customMirror: Mirror { Mirror(self, children: ["count": count]) }
}

extension IdentifierList: Codable {
    /// Reads an array of strings. `JSONDecoding` bypasses this and copies the bytes directly.
    public init(from decoder: any Decoder) throws {
        self.init()
        var container = try decoder.unkeyedContainer()
        while !container.isAtEnd { append(try container.decode(Identifier.self)) }
    }

    /// Writes an array of strings. `JSONEncoding` bypasses this too.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for identifier in self { try container.encode(identifier) }
    }
}

extension IdentifierList {
    /// Reads the strings of an array with one copy each and two allocations in total. An invalid one keeps its U+0000,
    /// so that it counts as invalid at its position.
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
