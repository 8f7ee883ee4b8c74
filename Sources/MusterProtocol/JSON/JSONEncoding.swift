/// Writes calls and replies. Fields are in the order in which the type encodes them; nil optionals are omitted.
public enum JSONEncoding {
    /// The JSON of a value.
    public static func encode<T: Encodable>(_ value: T) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        try append(value, to: &bytes)
        return bytes
    }

    /// Appends the JSON of a value; on an error `bytes` is unchanged.
    public static func append<T: Encodable>(_ value: T, to bytes: inout [UInt8]) throws {
        let start = bytes.count
        let writer = JSONWriter(taking: &bytes)
        defer { swap(&bytes, &writer.bytes) }
        do {
            try writer.write(value)
            if let failure = writer.failure { throw failure }
        } catch {
            writer.bytes.removeLast(writer.bytes.count - start)
            throw error
        }
    }
}

/// The output so far and its open containers.
///
/// `Codable` never signals the end of a container. A container ends when something is written to an enclosing one, or
/// when the value that began it is complete. So each container knows its level, and writing at a level closes all
/// deeper ones.
final class JSONWriter {
    private struct Open {
        var closer: UInt8
        var isEmpty = true
        var serial: Int
    }

    /// Identifies an open container; the serial distinguishes it from a later one at the same level.
    struct OpenContainer {
        fileprivate var level: Int
        fileprivate var serial: Int
        /// The level of the container's elements.
        var contentLevel: Int { level + 1 }
    }

    // Exclusive access is unchecked: no method passes one of these to code that could call back, and the runtime checks
    // took a fifth of the time of encoding a small message.
    @exclusivity(unchecked) var bytes: [UInt8]
    /// The first error that occurred where nothing can be thrown.
    private(set) var failure: JSONError?
    @exclusivity(unchecked) private var open: [Open] = []
    @exclusivity(unchecked) private var serial = 0

    init(taking other: inout [UInt8]) {
        bytes = []
        swap(&bytes, &other)
    }

    func fail(_ problem: String) {
        if failure == nil { failure = JSONError(.wrongType, problem) }
    }

    /// Begins a container, or continues the one at `level` when a class and its superclass share it.
    func begin(_ opener: UInt8, closer: UInt8, at level: Int) -> OpenContainer {
        if open.count > level {
            if open[level].closer != closer { fail("a value to be sent is an array and an object at once") }
            return OpenContainer(level: level, serial: open[level].serial)
        }
        bytes.append(opener)
        serial += 1
        open.append(Open(closer: closer, serial: serial))
        return OpenContainer(level: level, serial: serial)
    }

    /// Prepares for the next element or field of a container.
    func next(in container: OpenContainer) {
        guard open.count > container.level, open[container.level].serial == container.serial else {
            return fail("a container to be sent was written to after its end")
        }
        close(to: container.level + 1)
        if open[container.level].isEmpty {
            open[container.level].isEmpty = false
        } else {
            bytes.append(UInt8(ascii: ","))
        }
    }

    func next(in container: OpenContainer, name: String) throws {
        next(in: container)
        try write(name)
        bytes.append(UInt8(ascii: ":"))
    }

    private func close(to level: Int) {
        while open.count > level { bytes.append(open.removeLast().closer) }
    }

    func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try JSONText.append(checking: UnsafeRawBufferPointer($0), to: &bytes) }
    }

    func write(_ value: Bool) { bytes.append(contentsOf: (value ? "true" : "false").utf8) }
    func writeNull() { bytes.append(contentsOf: "null".utf8) }
    func write(_ number: Double) throws { try JSONText.append(checking: number, to: &bytes) }
    func write(integer: some FixedWidthInteger) throws {
        try JSONText.append(checking: Int64(clamping: integer), to: &bytes)
    }

    /// Types that are data or come in thousands are copied; the standard library encodes the others.
    func write<T: Encodable>(_ value: T) throws {
        // These casts are to the same type: `as!` would take longer than the copy, because it asks the runtime.
        if T.self == String.self { return try write(unsafeBitCast(value, to: String.self)) }
        if T.self == Identifier.self {
            return try JSONText.append(checking: unsafeBitCast(value, to: Identifier.self).bytes, to: &bytes)
        }
        if T.self == IdentifierList.self { return try write(unsafeBitCast(value, to: IdentifierList.self)) }
        if T.self == RawJSON.self {
            return bytes.append(contentsOf: unsafeBitCast(value, to: RawJSON.self).bytes)
        }
        if T.self == Attributes.self { return try unsafeBitCast(value, to: Attributes.self).append(to: &bytes) }
        if T.self == [Identifier].self {
            return try write(elements: unsafeBitCast(value, to: [Identifier].self)) { try write($0) }
        }
        if T.self == [Bool].self { return write(elements: unsafeBitCast(value, to: [Bool].self)) { write($0) } }
        let level = open.count
        let start = bytes.count
        try value.encode(to: ValueEncoder(writer: self, level: level, start: start))
        close(to: level)
        if bytes.count == start { bytes.append(contentsOf: "{}".utf8) }  // a type without fields
    }

    private func write<E>(elements: [E], _ write: (E) throws -> Void) rethrows {
        bytes.append(UInt8(ascii: "["))
        for (number, element) in elements.enumerated() {
            if number > 0 { bytes.append(UInt8(ascii: ",")) }
            try write(element)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private func write(_ list: IdentifierList) throws {
        // Writes to a local variable: a property would be loaded and stored at each use.
        var text: [UInt8] = []
        swap(&text, &bytes)
        defer { swap(&text, &bytes) }
        let needed = text.count + list.bytes.count + 3 * list.count + 2
        if needed > text.capacity { text.reserveCapacity(max(needed, 2 * text.capacity)) }
        text.append(UInt8(ascii: "["))
        try list.bytes.withUnsafeBytes { all in
            var start = 0
            for (number, end) in list.ends.enumerated() {
                if number > 0 { text.append(UInt8(ascii: ",")) }
                try JSONText.append(checking: .init(rebasing: all[start..<Int(end)]), to: &text)
                start = Int(end)
            }
        }
        text.append(UInt8(ascii: "]"))
    }
}
