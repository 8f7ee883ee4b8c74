import HTTPTypes
import HummingbirdCore
import MusterListener
import NIOCore
import NIOHTTP1

/// Sends a response in pieces of 64 KiB, so that a slow reader holds up no more than that.
struct ResponseWriter: ResponseBodyWriter {
    private static let maxPieceBytes = 64 << 10
    private let request: IncomingRequest
    private let isHead: Bool
    private var parts: [HTTPServerResponsePart]
    private var bytes = 0

    init(_ request: IncomingRequest, _ response: Response) {
        self.request = request
        isHead = request.head.method == .HEAD
        var headers = HTTPHeaders(response.headers.map { ($0.name.rawName, $0.value) })
        if let length = response.body.contentLength, !headers.contains(name: "content-length") {
            headers.add(name: "content-length", value: String(length))
        }
        let status = HTTPResponseStatus(statusCode: response.status.code, reasonPhrase: response.status.reasonPhrase)
        parts = [.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))]
    }

    mutating func write(_ buffer: ByteBuffer) async throws {
        if isHead { return }
        request.answers.holds(bytes + buffer.readableBytes)
        var rest = buffer
        while let piece = rest.readSlice(length: min(rest.readableBytes, Self.maxPieceBytes - bytes)),
            piece.readableBytes > 0
        {
            parts.append(.body(.byteBuffer(piece)))
            bytes += piece.readableBytes
            if bytes == Self.maxPieceBytes { try await flush() }
        }
        request.answers.holds(bytes)
    }

    private mutating func flush() async throws {
        let full = parts
        (parts, bytes) = ([], 0)
        try await request.send(full)
        request.answers.moves()
    }

    consuming func finish(_: HTTPFields?) async throws {
        try await request.send(parts + [.end(nil)])
        request.answers.holds(0)
    }
}
