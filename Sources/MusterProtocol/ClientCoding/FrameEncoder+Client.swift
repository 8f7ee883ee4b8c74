extension FrameEncoder {
    /// A call whose body is JSON already. `method` needs no escapes, and the message is within the limit of a frame.
    public static func append(
        requestID id: Int64, method: String, deadlineMilliseconds: Int64?, body: [UInt8], to bytes: inout [UInt8]
    ) {
        let start = bytes.count
        FrameHeader(length: 0).append(to: &bytes)
        bytes.append("{\"id\":")
        JSONText.append(id, to: &bytes)
        bytes.append(",\"method\":\"")
        bytes.append(contentsOf: method.utf8)
        if let deadlineMilliseconds {
            bytes.append("\",\"deadline_ms\":")
            JSONText.append(deadlineMilliseconds, to: &bytes)
            bytes.append(",\"body\":")
        } else {
            bytes.append("\",\"body\":")
        }
        bytes.append(contentsOf: body)
        bytes.append("}")
        let length = bytes.count - start - FrameHeader.byteCount
        for index in 1...4 { bytes[start + index] = UInt8(truncatingIfNeeded: length >> (8 * (4 - index))) }
    }
}
