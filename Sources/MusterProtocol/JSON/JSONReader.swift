import CSimdJSON

/// Reads strict JSON: one object in UTF-8, as the page on the wire says. One per event loop; it is not for two threads.
public final class JSONReader {
    /// A reader that keeps the memory of a message up to this size: that of an import of 50,000.
    static let kept = 2 << 20

    private let reader: OpaquePointer?
    private let kept: Int
    private var isReading = false

    /// A reader with limits of its own.
    ///
    /// - Parameter takesWideIntegers: whether integers outside of ±2^53 are read. They are numbers that are not whole to whoever asks
    ///   for one, but a `LooseID` has their digits. What no double holds, or no integer of 64 bits, is read too, as
    ///   ±1e308.
    public init(
        depth: Int = Limits.jsonDepth.value, values: Int = Limits.jsonValues.value, takesWideIntegers: Bool = false
    ) {
        reader = cjson_reader_new(UInt32(clamping: depth), UInt32(clamping: values), takesWideIntegers)
        kept = Self.kept
    }

    deinit { cjson_reader_free(reader) }

    /// Gives the top-level object to `body`. No value may leave the closure: the next read overwrites them all.
    public func read<R>(_ bytes: UnsafeRawBufferPointer, _ body: (JSONValue) throws -> R) throws -> R {
        guard let reader, !isReading else { throw JSONError(nil, "the JSON reader can't be used now") }
        isReading = true
        defer {
            isReading = false
            if bytes.count > kept { cjson_trim(reader, kept) }
        }
        var table = cjson_table()
        let status = cjson_read(reader, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, &table)
        guard status == CJSON_OK else {
            throw JSONError(
                cjson_find_fault(
                    reader, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, status),
                of: status)
        }
        return try body(JSONValue(table: table))
    }

    /// Gives the top-level object to `body`, as `read` of raw bytes does.
    public func read<R>(_ bytes: [UInt8], _ body: (JSONValue) throws -> R) throws -> R {
        try bytes.withUnsafeBytes { try read($0, body) }
    }
}

extension JSONError {
    /// What the scan for a fault found first; where it found nothing, the status alone.
    init(_ fault: cjson_fault, of status: cjson_status) {
        let isFound = fault.status != CJSON_OK && status != CJSON_MEMORY
        self.init(isFound ? fault.status : status)
        if isFound {
            offset = Int(fault.offset)
            description += ", at byte \(fault.offset)"
        }
        requestID = fault.id < 0 ? nil : fault.id
    }

    init(_ status: cjson_status) {
        switch status {
        case CJSON_BYTE_ORDER_MARK: self.init(.malformed, "the message begins with a byte order mark")
        case CJSON_ENCODING: self.init(.malformed, "the message is not in UTF-8")
        case CJSON_CONTROL:
            self.init(.malformed, "the message is not JSON: a string has a control character that is not escaped")
        case CJSON_ESCAPE:
            self.init(.malformed, "the message is not JSON: a string has an escape that JSON doesn't know")
        case CJSON_CUT: self.init(.malformed, "the message is not JSON: it ends too early")
        case CJSON_NUMBER: self.init(.malformed, "the message has a number that JSON doesn't allow, or a too large one")
        case CJSON_BIG_INTEGER: self.init(.outOfRange, "the message has an integer outside of ±2^53")
        case CJSON_DUPLICATE_KEY: self.init(.duplicateKey, "the message has a key twice in one object")
        case CJSON_NOT_AN_OBJECT: self.init(.malformed, "the message must be an object")
        case CJSON_DEPTH: self.init(over: Limits.jsonDepth, .tooDeep, "is nested deeper than")
        case CJSON_VALUES: self.init(over: Limits.jsonValues, .tooMany, "has more than")
        case CJSON_LENGTH: self.init(.tooLong, "the message is too long")
        case CJSON_MEMORY: self.init(nil, "there is no memory for the message")
        default: self.init(.malformed, "the message is not JSON: it has a character that may not stand there")
        }
    }
}
