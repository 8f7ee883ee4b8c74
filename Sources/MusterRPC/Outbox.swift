import MusterHandlers
import MusterProtocol
import NIOCore

/// The frames of one event loop tick, sent in one write. Counts the replies among them.
struct Outbox {
    /// Memory that is kept between writes. Most ticks need less, and each connection may keep it twice.
    private static let kept = 4 << 10
    /// From this length on, the body of a reply is copied only once.
    private static let long = 16 << 10

    private let metrics: CallMetrics
    /// The first frames, or those of the last write.
    private var buffer = ByteBuffer()
    private var isSent = true
    /// The frames after those in `buffer`.
    private var bytes: [UInt8] = []

    init(counting metrics: CallMetrics) { self.metrics = metrics }

    /// Bytes of all frames.
    var count: Int { (isSent ? 0 : buffer.readableBytes) + bytes.count }
    var isEmpty: Bool { count == 0 }

    /// Appends the reply to a call, with an encoded body.
    mutating func append(replyTo id: Int64, body: [UInt8]) {
        let head = "{\"id\":\(id),\"body\":"
        let length = head.utf8.count + body.count + 1
        guard length <= Limits.frame.value else { return append(replyTo: id, error: Self.tooLong) }
        metrics.answered(nil)
        FrameHeader(length: length).append(to: &bytes)
        bytes.append(contentsOf: head.utf8)
        if body.count < Self.long {
            bytes.append(contentsOf: body)
        } else {
            collect()
            buffer.writeBytes(body)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Appends the reply to a call; `write` appends the JSON of its body. On an error nothing is appended.
    mutating func append(replyTo id: Int64, _ write: (inout [UInt8]) throws -> Void) throws {
        do { try FrameEncoder.append(replyTo: id, limit: Limits.frame, to: &bytes, write) } catch is FrameError {
            throw Self.tooLong
        }
        metrics.answered(nil)
    }

    mutating func append(replyTo id: Int64, error: RPCError) {
        metrics.answered(error.code)
        append { bytes in
            do {
                try FrameEncoder.append(replyTo: id, error: error, to: &bytes)
            } catch {
                // Only text that JSON can't encode gets here.
                try FrameEncoder.append(replyTo: id, error: RPCError(.internal, "the error can't be told"), to: &bytes)
            }
        }
    }

    mutating func append(ping number: Int64) { append { FrameEncoder.append(ping: number, to: &$0) } }
    mutating func append(pong number: Int64) { append { FrameEncoder.append(pong: number, to: &$0) } }
    mutating func append(goawayAfter lastID: Int64, reason: String) {
        append { try FrameEncoder.append(goawayAfter: lastID, reason: reason, to: &$0) }
    }

    /// Our own constant texts always encode.
    private mutating func append(_ write: (inout [UInt8]) throws -> Void) { try? write(&bytes) }

    private static let tooLong = RPCError(
        .resourceExhausted, .tooLong, limit: Limits.frame,
        "the reply is longer than a frame of \(Limits.frame.described); ask for less, or for a smaller page")

    /// Takes the frames to send.
    mutating func take() -> ByteBuffer {
        collect()
        isSent = true
        return buffer
    }

    /// Moves all frames into the buffer. The memory is reused unless the last write still refers to it.
    private mutating func collect() {
        if isSent {
            if buffer.capacity > Self.kept { buffer = ByteBuffer() } else { buffer.clear() }
            isSent = false
        }
        buffer.writeBytes(bytes)
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.kept)
    }
}
