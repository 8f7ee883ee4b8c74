import MusterHandlers
import MusterProtocol
import NIOCore

/// The frames of one event loop tick, sent in one write. Counts the replies among them.
struct Outbox {
    private let metrics: CallMetrics
    private var buffer = ByteBuffer()

    init(counting metrics: CallMetrics) { self.metrics = metrics }

    /// Bytes of all frames.
    var count: Int { buffer.readableBytes }
    var isEmpty: Bool { count == 0 }

    /// Appends the reply to a call, with an encoded body.
    mutating func append(replyTo id: Int64, body: [UInt8]) {
        let head = "{\"id\":\(id),\"body\":"
        let length = head.utf8.count + body.count + 1
        guard length <= Limits.frame.value else {
            return append(
                replyTo: id,
                error: RPCError(
                    .resourceExhausted, .tooLong, limit: Limits.frame,
                    "the reply is longer than a frame of \(Limits.frame.described); ask for "
                        + "less, or for a smaller page"))
        }
        metrics.answered(nil)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt32(truncatingIfNeeded: length))  // at most the frame limit
        buffer.writeString(head)
        buffer.writeBytes(body)
        buffer.writeInteger(UInt8(ascii: "}"))
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

    private mutating func append(_ write: (inout [UInt8]) throws -> Void) {
        var bytes: [UInt8] = []
        do { try write(&bytes) } catch { return }  // our own constant texts always encode
        buffer.writeBytes(bytes)
    }

    /// Takes the frames to send. The memory is reused unless it is still referenced.
    mutating func take() -> ByteBuffer {
        let taken = buffer
        buffer = ByteBuffer()
        return taken
    }
}
