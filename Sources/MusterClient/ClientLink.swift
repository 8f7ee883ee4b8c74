import Logging
import MusterProtocol
import NIOConcurrencyHelpers
import NIOCore
import Synchronization

/// An encoded call.
struct OutgoingCall: Sendable {
    let method: String
    let body: [UInt8]
    let isSafe: Bool
    let deadline: ContinuousClock.Instant
}

typealias ReplyContinuation = CheckedContinuation<Result<[UInt8], RPCError>, Never>

/// Passes callers' messages to the event loop, all of one tick with one wake-up.
final class ClientLink: Sendable {
    enum Message: Sendable {
        case call(Int, OutgoingCall, ReplyContinuation)
        case cancel(Int)
        case close(CheckedContinuation<Void, Never>?)
    }

    private struct Mailbox {
        var messages: [Message] = []
        var isScheduled = false
    }

    private let loop: any EventLoop
    private let core: NIOLoopBoundBox<ClientCore?>
    private let mailbox = NIOLockedValueBox(Mailbox())
    private let tickets = Atomic<Int>(0)
    private let make: @Sendable () -> ClientCore

    init(settings: MusterClientSettings, loop: any EventLoop, logger: Logger) {
        self.loop = loop
        core = .makeEmptyBox(valueType: ClientCore.self, eventLoop: loop)
        make = { ClientCore(settings: settings, loop: loop, logger: logger) }
    }

    func newTicket() -> Int { tickets.add(1, ordering: .relaxed).newValue }

    func post(_ message: Message) {
        let mustSchedule = mailbox.withLockedValue { mailbox in
            mailbox.messages.append(message)
            defer { mailbox.isScheduled = true }
            return !mailbox.isScheduled
        }
        if mustSchedule { loop.execute { self.deliver() } }
    }

    private func deliver() {
        let messages = mailbox.withLockedValue { mailbox in
            defer { mailbox = Mailbox() }
            return mailbox.messages
        }
        let core = self.core.value ?? make()
        self.core.value = core
        for message in messages { core.take(message) }
        core.flush()
    }
}
