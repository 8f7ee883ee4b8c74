import MusterProtocol
import NIOCore
import NIOHTTP1

/// Checks the bytes before they are parsed: notes when a request begins, refuses ambiguous first lines, and discards
/// input after the last response.
///
/// NIO's parser accepts several blanks in a row in the first line, and a proxy on the way may not: then the two see
/// different requests. To recognize first lines, this handler follows each message to its end; it takes the length of a
/// body from the parsed header.
final class RequestStartHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// The position of the next byte in a request.
    private enum Position {
        case firstLine, header, chunkSize, trailer
        /// In a body, or in a chunk and its line end, with the number of remaining bytes.
        case body(Int)
        case chunk(Int)
        /// After a refused request: the beginning of the next one is unknown.
        case nowhere
    }

    /// Bytes of a chunk's size and extensions: a longer line is not a valid one.
    private static let longestChunkLine = 1_024
    /// Bytes of a first line beside its target: method, version, blanks and CR.
    private static let besideTarget = 64

    private let connection: HTTPConnection
    private var position = Position.firstLine
    /// The bytes of the current line, if its content matters.
    private var line: [UInt8] = []
    private var lineLength = 0
    private var lastByte: UInt8 = 0
    /// Bytes of the request's header, including its first line, and of the trailer.
    private var headerLength = 0
    private var fieldCount = 0
    /// The request whose header has just been parsed.
    private var head: HTTPRequestHead?

    init(_ connection: HTTPConnection) { self.connection = connection }

    // The handler after the parser calls both in the middle of `channelRead`.

    func parsed(_ head: HTTPRequestHead) { self.head = head }

    func failed() { position = .nowhere }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !connection.hasEnded else { return }
        connection.bytesCame()
        var bytes = unwrapInboundIn(data)
        while bytes.readableBytes > 0 {
            if case .nowhere = position { return }
            do {
                let count = try advance(bytes.readableBytesView)
                if let piece = bytes.readSlice(length: count) { context.fireChannelRead(wrapInboundOut(piece)) }
            } catch {
                position = .nowhere
                return context.fireErrorCaught(error)
            }
            if case .header = position, lineLength == 0, let head { begin(bodyOf: head) }
        }
    }

    private func begin(bodyOf head: HTTPRequestHead) {
        self.head = nil
        // The parser has refused a length beside a transfer coding, two lengths, and other codings.
        if head.headers.contains(name: "transfer-encoding") {
            position = .chunkSize
        } else {
            switch head.declaredLength {
            case nil: position = .nowhere
            case 0: startOver()
            case let length?: position = .body(length)
            }
        }
    }

    /// The next byte begins another request.
    private func startOver() { (position, headerLength, fieldCount) = (.firstLine, 0, 0) }

    /// The number of bytes to pass to the parser before the position is checked again.
    private func advance(_ bytes: ByteBufferView) throws -> Int {
        switch position {
        case .nowhere: return bytes.count
        case .body(let rest):
            if rest > bytes.count { position = .body(rest - bytes.count) } else { startOver() }
            return min(rest, bytes.count)
        case .chunk(let rest):
            position = rest > bytes.count ? .chunk(rest - bytes.count) : .chunkSize
            return min(rest, bytes.count)
        case .firstLine, .header, .chunkSize, .trailer: return try readLines(bytes)
        }
    }

    /// Reads lines up to the end of their part of the request.
    private func readLines(_ bytes: ByteBufferView) throws -> Int {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let isPartOver = try endLine(rest[...end])
            rest = rest[(end + 1)...]
            if isPartOver { return bytes.count - rest.count }
        }
        try collect(rest)
        return bytes.count
    }

    private func collect(_ bytes: ByteBufferView) throws {
        guard let last = bytes.last else { return }
        lineLength += bytes.count
        lastByte = last
        switch position {
        case .firstLine:
            try countHeader(bytes.count, lineLimit: bounds.headerField + Self.besideTarget)
            line.append(contentsOf: bytes)
        case .header, .trailer: try countHeader(bytes.count, lineLimit: bounds.headerField + 1)
        case .chunkSize:
            guard lineLength <= Self.longestChunkLine else { throw HTTPParserError.invalidChunkSize }
            line.append(contentsOf: bytes)
        default: break
        }
    }

    /// - Parameter lineLimit: bytes of a line and the CR after it.
    private func countHeader(_ count: Int, lineLimit: Int) throws {
        headerLength += count
        if lineLength > lineLimit { throw headerIs(over: Limits.restHeaderField.set(to: bounds.headerField)) }
        if headerLength > bounds.header { throw headerIs(over: Limits.restHeader.set(to: bounds.header)) }
    }

    private var bounds: HTTPServerSettings.Bounds { connection.bounds }

    private func countField() throws {
        fieldCount += 1
        if fieldCount > bounds.headerFields {
            throw headerIs(over: Limits.restHeaderFields.set(to: bounds.headerFields))
        }
    }

    /// Stores the limit in the connection, since the error must be one of the parser's: NIO's handlers before the
    /// connection know no others.
    private func headerIs(over limit: Limit) -> HTTPParserError {
        connection.headerExceeds = limit
        return .headerOverflow
    }

    /// Whether this line ends its part of the request.
    private func endLine(_ bytes: ByteBufferView) throws -> Bool {
        try collect(bytes.dropLast())
        defer { (lineLength, lastByte) = (0, 0) }
        guard lastByte == UInt8(ascii: "\r") else { throw HTTPParserError.lfExpected }
        let isEmpty = lineLength == 1
        switch position {
        case .firstLine:
            defer { line.removeAll(keepingCapacity: true) }
            // Old clients send an empty line after a body.
            if isEmpty { return false }
            guard RequestLine.isUnambiguous(line.dropLast()) else { throw HTTPParserError.invalidURL }
            position = .header
            return false
        case .chunkSize:
            defer { line.removeAll(keepingCapacity: true) }
            guard let size = RequestLine.chunkSize(line.dropLast()) else { throw HTTPParserError.invalidChunkSize }
            position = size == 0 ? .trailer : .chunk(size + 2)
            return size > 0
        case .trailer:
            if isEmpty { startOver() } else { try countField() }
            return isEmpty
        case .header:
            if !isEmpty { try countField() }
            return isEmpty
        default: return isEmpty
        }
    }
}

/// Sits after the parser, and tells the handler before it which header was parsed.
final class ParsedHeadHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    private let start: RequestStartHandler

    init(_ start: RequestStartHandler) { self.start = start }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) { start.parsed(head) }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        start.failed()
        context.fireErrorCaught(error)
    }
}

/// Lines that determine where a request ends, without their line ends.
enum RequestLine {
    /// Whether a first line is a method, a target and a version with one blank between them.
    static func isUnambiguous(_ line: some Collection<UInt8>) -> Bool {
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        return parts.count == 3 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { (0x21...0x7E).contains($0) } }
            && !parts[1].contains(UInt8(ascii: "#"))
    }

    /// The size of the chunk that the line begins; nil if it is invalid or larger than any body.
    static func chunkSize(_ line: some Collection<UInt8>) -> Int? {
        let digits = line.prefix { $0 != UInt8(ascii: ";") }
        // `Int` accepts a sign too.
        guard digits.allSatisfy(\.isHexadecimal) else { return nil }
        return Int(String(decoding: digits, as: UTF8.self), radix: 16).flatMap { $0 < 1 << 48 ? $0 : nil }
    }
}
