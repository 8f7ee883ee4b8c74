import NIOCore

/// The requests of one connection, for the task that answers them.
struct RequestStream: Sendable {
    let requests: AsyncStream<IncomingRequest>
    /// Succeeds when the client can no longer read a response.
    let gone: EventLoopFuture<Void>

    /// Answers one request after the other. The work on a request ends when its client goes away.
    func serve(_ answer: @escaping @Sendable (IncomingRequest) async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await request in requests { await answer(request) } }
            group.addTask { try? await gone.get() }
            await group.next()
            group.cancelAll()
        }
    }
}
