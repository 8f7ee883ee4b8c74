/// Appends whole frames, header and JSON, to `bytes`. On an error `bytes` is unchanged.
public enum FrameEncoder {
    /// A call.
    public static func append<Body: Encodable>(
        requestID id: Int64, method: String, deadlineMilliseconds: Int64? = nil, body: Body, limit: Limit? = nil,
        to bytes: inout [UInt8]
    ) throws {
        try frame(limit: limit, to: &bytes) { bytes in
            text("{\"id\":", id, to: &bytes)
            text(",\"method\":", to: &bytes)
            try JSONText.append(checking: Array(method.utf8), to: &bytes)
            if let deadlineMilliseconds { text(",\"deadline_ms\":", deadlineMilliseconds, to: &bytes) }
            text(",\"body\":", to: &bytes)
            try JSONEncoding.append(body, to: &bytes)
            text("}", to: &bytes)
        }
    }

    /// The reply to a call.
    public static func append<Body: Encodable>(
        replyTo id: Int64, body: Body, limit: Limit? = nil, to bytes: inout [UInt8]
    ) throws {
        try append(replyTo: id, limit: limit, to: &bytes) { bytes in try JSONEncoding.append(body, to: &bytes) }
    }

    /// The reply to a call; `write` appends the JSON of its body.
    public static func append(
        replyTo id: Int64, limit: Limit? = nil, to bytes: inout [UInt8], _ write: (inout [UInt8]) throws -> Void
    ) throws {
        try frame(limit: limit, to: &bytes) { bytes in
            text("{\"id\":", id, to: &bytes)
            text(",\"body\":", to: &bytes)
            try write(&bytes)
            text("}", to: &bytes)
        }
    }

    /// The error of a call.
    public static func append(replyTo id: Int64, error: RPCError, to bytes: inout [UInt8]) throws {
        try frame(limit: nil, to: &bytes) { bytes in
            text("{\"id\":", id, to: &bytes)
            text(",\"error\":", to: &bytes)
            try JSONEncoding.append(error, to: &bytes)
            text("}", to: &bytes)
        }
    }

    /// Cancels a call.
    public static func append(cancel id: Int64, to bytes: inout [UInt8]) { short("{\"cancel\":", id, to: &bytes) }
    /// Requests a pong.
    public static func append(ping number: Int64, to bytes: inout [UInt8]) { short("{\"ping\":", number, to: &bytes) }
    /// Answers a ping.
    public static func append(pong number: Int64, to bytes: inout [UInt8]) { short("{\"pong\":", number, to: &bytes) }

    /// Announces that the calls up to `lastID` will be answered.
    public static func append(goawayAfter lastID: Int64, reason: String, to bytes: inout [UInt8]) throws {
        try frame(limit: nil, to: &bytes) { bytes in
            text("{\"goaway\":{\"last_id\":", lastID, to: &bytes)
            text(",\"reason\":", to: &bytes)
            try JSONText.append(checking: Array(reason.utf8), to: &bytes)
            text("}}", to: &bytes)
        }
    }

    private static func short(_ start: StaticString, _ number: Int64, to bytes: inout [UInt8]) {
        let header = bytes.count
        FrameHeader(length: 0).append(to: &bytes)
        text(start, number, to: &bytes)
        text("}", to: &bytes)
        bytes[header + 4] = UInt8(truncatingIfNeeded: bytes.count - header - FrameHeader.byteCount)  // at most 33
    }

    /// Writes the header first and fills in its length when the message follows.
    private static func frame(
        limit: Limit?, to bytes: inout [UInt8], _ body: (inout [UInt8]) throws -> Void
    ) throws {
        let start = bytes.count
        FrameHeader(length: 0).append(to: &bytes)
        do {
            try body(&bytes)
            let length = bytes.count - start - FrameHeader.byteCount
            if let limit, length > limit.value { throw FrameError.tooLong(length: length, limit: limit) }
            guard UInt32(exactly: length) != nil else {
                throw FrameError.tooLong(length: length, limit: Limits.frame.set(to: Int(UInt32.max)))
            }
            for index in 1...4 { bytes[start + index] = UInt8(truncatingIfNeeded: length >> (8 * (4 - index))) }
        } catch {
            bytes.removeLast(bytes.count - start)
            throw error
        }
    }

    private static func text(_ text: StaticString, _ number: Int64? = nil, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        if let number { JSONText.append(number, to: &bytes) }
    }
}
