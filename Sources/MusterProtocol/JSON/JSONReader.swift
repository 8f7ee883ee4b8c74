import CSimdJSON

/// Reads strict JSON: one object in UTF-8, as specified in proto-docs/frames.md. Not thread-safe: use one per event
/// loop.
public final class JSONReader {
    /// A reader keeps its memory after messages up to this size, which fits an import of 50,000 identifiers.
    static let kept = 2 << 20

    private let reader: OpaquePointer?
    private let kept: Int
    private var isReading = false

    /// Makes a reader with its own limits.
    ///
    /// - Parameter takesWideIntegers: whether to accept integers outside of ±2^53. As numbers they are not whole; a
    ///   `LooseID` has their digits. Numbers beyond a double or a 64-bit integer are accepted too, as ±1e308.
    public init(
        depth: Int = Limits.jsonDepth.value, values: Int = Limits.jsonValues.value, takesWideIntegers: Bool = false
    ) {
        reader = cjson_reader_new(UInt32(clamping: depth), UInt32(clamping: values), takesWideIntegers)
        kept = Self.kept
    }

    deinit { cjson_reader_free(reader) }

    /// Calls `body` with the top-level object. No value may leave the closure: the next read overwrites all of them.
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

    /// Calls `body` with the top-level object, like `read` of raw bytes.
    public func read<R>(_ bytes: [UInt8], _ body: (JSONValue) throws -> R) throws -> R {
        try bytes.withUnsafeBytes { try read($0, body) }
    }
}

extension JSONError {
    /// The first fault that the scan found; only the status when it found none.
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
        case CJSON_BYTE_ORDER_MARK:
            self.init(.malformed, "the message begins with a byte order mark; send UTF-8 without one")
        case CJSON_ENCODING: self.init(.malformed, "the message is not valid UTF-8")
        case CJSON_CONTROL:
            self.init(.malformed, "the message is not valid JSON: a string has an unescaped control character")
        case CJSON_ESCAPE:
            self.init(.malformed, "the message is not valid JSON: a string has an unknown escape")
        case CJSON_CUT: self.init(.malformed, "the message is not valid JSON: it ends too early")
        case CJSON_NUMBER:
            self.init(.malformed, "the message has a number that JSON does not allow or that is too large")
        case CJSON_BIG_INTEGER: self.init(.outOfRange, "the message has an integer outside of ±2^53")
        case CJSON_DUPLICATE_KEY: self.init(.duplicateKey, "the message has an object with a duplicate key")
        case CJSON_NOT_AN_OBJECT: self.init(.malformed, "the message must be an object")
        case CJSON_DEPTH: self.init(over: Limits.jsonDepth, .tooDeep, "is nested deeper than")
        case CJSON_VALUES: self.init(over: Limits.jsonValues, .tooMany, "has more than")
        case CJSON_LENGTH: self.init(.tooLong, "the message is too long")
        case CJSON_MEMORY: self.init(nil, "there is no memory for the message")
        default: self.init(.malformed, "the message is not valid JSON: it has an unexpected character")
        }
    }
}
