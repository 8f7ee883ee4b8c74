import CFuzzer
import MusterProtocol

/// Takes any bytes as the stream of a connection and as one message.
@main struct FuzzFrames {
    static func main() {
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        withUnsafeMutablePointer(to: &arguments) { pointer in
            pointer.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) {
                _ = LLVMFuzzerRunDriver(&count, $0) { bytes, count in
                    let input = UnsafeRawBufferPointer(start: bytes, count: count)
                    checkFrames(input)
                    checkMessage(input)
                    return 0
                }
            }
        }
    }
}

/// A stream yields the same messages, however it is split.
func checkFrames(_ input: UnsafeRawBufferPointer) {
    let whole = messages(in: input, piece: max(input.count, 1))
    let pieces = messages(in: input, piece: 1 + Int(input.first ?? 0) % 7)
    precondition(whole == pieces, "the pieces make a difference")
    for message in whole { message.withUnsafeBytes(checkMessage) }
}

func messages(in input: UnsafeRawBufferPointer, piece: Int) -> [[UInt8]] {
    var decoder = FrameDecoder(limit: Limits.frame.set(to: 1 << 16))
    var messages: [[UInt8]] = []
    for start in stride(from: 0, to: input.count, by: piece) {
        decoder.append(UnsafeRawBufferPointer(rebasing: input[start..<min(start + piece, input.count)]))
        do {
            while let message = try decoder.next({ Array($0) }) { messages.append(message) }
        } catch {
            break
        }
    }
    return messages
}

/// A message is refused, or it survives encoding and decoding unchanged.
func checkMessage(_ input: UnsafeRawBufferPointer) {
    let reader = JSONReader(depth: 32, values: 10_000)
    do {
        try reader.read(input) { message in
            let text = RawJSON(message)
            let same = try again(text.bytes) { RawJSON($0) }
            precondition(same == text, "written JSON reads otherwise")
            let wide = try JSONReader(depth: 32, values: 10_000, takesWideIntegers: true).read(input) { RawJSON($0) }
            precondition(wide == text, "a reader that takes more reads it otherwise")
            if let envelope = try? Envelope(message) { try checkEnvelope(envelope) }
            if let everything = try? JSONDecoding.decode(Everything.self, from: message) {
                let bytes = try JSONEncoding.encode(everything)
                let same = try again(bytes) { try JSONDecoding.decode(Everything.self, from: $0) }
                precondition(same == everything, "a decoded value encodes to another")
            }
        }
    } catch let error as JSONError {
        precondition(error.reason != nil && !error.description.isEmpty)
        precondition(error.reason != .malformed || error.offset != nil, "no JSON, and no word of where")
        precondition(error.offset.map { (0...input.count).contains($0) } ?? true, "a fault outside of the message")
    } catch {
        preconditionFailure("an error of another type")
    }
}

func again<R>(_ bytes: [UInt8], _ body: (JSONValue) throws -> R) throws -> R {
    do {
        return try JSONReader(depth: 33, values: 10_001).read(bytes, body)
    } catch {
        preconditionFailure("what was written is refused: \(error)")
    }
}

func checkEnvelope(_ envelope: Envelope) throws {
    var frame: [UInt8] = []
    switch envelope {
    case .request(let id, let method, let deadline, let body):
        let body = try JSONDecoding.decode(RawJSON.self, from: body)
        try FrameEncoder.append(
            requestID: id, method: method, deadlineMilliseconds: deadline, body: body, to: &frame)
    case .reply(let id, let body): try FrameEncoder.append(replyTo: id, body: RawJSON(body), to: &frame)
    case .error(let id, let error): try FrameEncoder.append(replyTo: id, error: error, to: &frame)
    case .cancel(let id): FrameEncoder.append(cancel: id, to: &frame)
    case .goaway(let last, let reason): try FrameEncoder.append(goawayAfter: last, reason: reason, to: &frame)
    case .ping(let number): FrameEncoder.append(ping: number, to: &frame)
    case .pong(let number): FrameEncoder.append(pong: number, to: &frame)
    }
    let found = frame.withUnsafeBytes { messages(in: $0, piece: $0.count) }
    precondition(found.count == 1, "a frame is not one message")
    let same = try again(found[0]) { sketch(try Envelope($0)) }
    precondition(same == sketch(envelope), "an envelope is written as another")
}

/// An envelope that can be compared.
func sketch(_ envelope: Envelope) -> String {
    switch envelope {
    case .request(let id, let method, let deadline, let body):
        "request \(id) \(Array(method.utf8)) \(deadline ?? 0) \(body.map { RawJSON($0).text } ?? "{}")"
    case .reply(let id, let body): "reply \(id) \(RawJSON(body).text)"
    case .error(let id, let error): "error \(id) \(error.code) \(Array(error.message.utf8)) \(error.details.hashValue)"
    case .cancel(let id): "cancel \(id)"
    case .goaway(let last, let reason): "goaway \(last) \(Array(reason.utf8))"
    case .ping(let number): "ping \(number)"
    case .pong(let number): "pong \(number)"
    }
}

/// One field of each type that calls consist of.
struct Everything: Codable, Equatable {
    indirect enum Filter: Codable, Equatable {
        case all([Filter])
        case not(Filter)
        case everyone
    }
    struct Change: Codable, Equatable {
        var ids: IdentifierList?
        var remove: Bool?
    }

    var id: Int64?
    var method: String?
    var small: Int8?
    var natural: UInt32?
    var number: Double?
    var single: Float?
    var user: Identifier?
    var users: [Identifier]?
    var names: [String]?
    var changes: [Change]?
    var attributes: Attributes?
    var body: RawJSON?
    var error: RPCError?
    var sizes: [String: Int]?
    var holes: [Int?]?
    var filter: Filter?
}
