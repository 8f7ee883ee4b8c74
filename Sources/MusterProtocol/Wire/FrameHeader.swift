/// Why a connection must end: after an invalid header, the start of the next frame is unknown.
public enum FrameError: Error, Equatable, CustomStringConvertible {
    /// The first byte is not 0.
    case unknownFlags(UInt8)
    /// The length exceeds the limit that the connection currently has.
    case tooLong(length: Int, limit: Limit)

    /// One sentence.
    public var description: String {
        switch self {
        case .unknownFlags(0x16): "the first byte is that of a TLS handshake, and this port speaks plaintext"
        case .unknownFlags(let flags): "a frame has the flags \(flags), and only 0 is known"
        case .tooLong(let length, let limit):
            "a frame of \(length) bytes is longer than the limit of \(limit.described)"
        }
    }
}

/// The five bytes before each message: flags, which are 0, and the length, big-endian.
public struct FrameHeader: Sendable, Equatable {
    /// Bytes of a header.
    public static let byteCount = 5

    /// Bytes of the message that follows.
    public var length: Int

    /// Makes the header of a message of `length` bytes.
    public init(length: Int) { self.length = length }

    /// Validates the two fields of a header before memory is allocated for its message.
    public init(flags: UInt8, length: UInt32, limit: Limit) throws(FrameError) {
        guard flags == 0 else { throw .unknownFlags(flags) }
        guard let length = Int(exactly: length), length <= limit.value else {
            throw .tooLong(length: Int(clamping: length), limit: limit)
        }
        self.length = length
    }

    /// Validates the header at the start of `bytes`; nil when it is incomplete. Wrong flags are refused at the first
    /// byte.
    public init?(_ bytes: UnsafeRawBufferPointer, limit: Limit) throws(FrameError) {
        guard let flags = bytes.first else { return nil }
        guard flags == 0 else { throw .unknownFlags(flags) }
        guard bytes.count >= Self.byteCount else { return nil }
        let length = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
        try self.init(flags: flags, length: length, limit: limit)
    }

    /// Appends the header's bytes.
    public func append(to bytes: inout [UInt8]) {
        bytes.append(0)
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
    }
}

/// Splits bytes that arrive in arbitrary pieces into messages. It stores what has arrived, never what a header
/// announces.
public struct FrameDecoder: Sendable {
    /// The maximum message length; it may change between messages, as when a connection authenticates.
    public var limit: Limit

    @usableFromInline var bytes: [UInt8] = []
    private var start = 0

    /// Makes a decoder for the start of a connection.
    public init(limit: Limit) { self.limit = limit }

    /// Bytes that are stored: incomplete messages, and complete ones that are not taken yet.
    public var pending: Int { bytes.count - start }

    /// Appends received bytes.
    public mutating func append(_ chunk: UnsafeRawBufferPointer) {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(raw: chunk)
    }

    /// Appends received bytes.
    public mutating func append(_ chunk: [UInt8]) { chunk.withUnsafeBytes { append($0) } }

    /// Calls `body` with the next message; nil when none is complete.
    @inlinable
    public mutating func next<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R? {
        guard let message = try take() else { return nil }
        return try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[message])) }
    }

    /// Takes the next message, and returns where it is in `bytes`.
    @usableFromInline
    mutating func take() throws(FrameError) -> Range<Int>? {
        let found = bytes.withUnsafeBytes { [start, limit] all in
            Result { () throws(FrameError) in
                try FrameHeader(UnsafeRawBufferPointer(rebasing: all[start...]), limit: limit)
            }
        }
        guard let header = try found.get() else { return nil }
        let first = start + FrameHeader.byteCount
        guard bytes.count - first >= header.length else { return nil }
        start = first + header.length
        return first..<start
    }
}
