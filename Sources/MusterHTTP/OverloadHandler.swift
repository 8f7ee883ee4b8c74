import HTTPTypes
import MusterProtocol
import NIOCore

/// Answers a connection beyond the bound with 503, whatever it sends, and closes it.
final class OverloadHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let answer: String
    private let linger: TimeAmount
    private let metrics: HTTPMetrics

    /// - Parameter metrics: counts the response.
    init(_ refusal: RPCError, linger: TimeAmount, metrics: HTTPMetrics) {
        self.metrics = metrics
        answer = String(decoding: HTTPProblem(refusal).answer.body, as: UTF8.self)
        self.linger = linger
    }

    func channelActive(context: ChannelHandlerContext) {
        let text = """
            HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r
            content-length: \(answer.utf8.count)\r\nconnection: close\r\n\r\n\(answer)
            """
        metrics.answered(503)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        context.close(mode: .output, promise: nil)
        let bound = context.loopBound
        _ = context.eventLoop.scheduleTask(in: linger) { bound.value.close(promise: nil) }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}  // thrown away

    func channelReadComplete(context: ChannelHandlerContext) { context.read() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
