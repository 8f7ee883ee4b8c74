import Logging
import MusterProtocol
import NIOConcurrencyHelpers
import NIOCore

/// Passes callers' messages to the event loop, all of one tick with one wake-up.
final class ClientLink: Sendable {
    enum Message: Sendable {
        case call(PendingCall)
        case cancel(PendingCall)
        case close(CheckedContinuation<Void, Never>?)
    }

    private struct Mailbox {
        var messages: [Message] = []
        var isScheduled = false
    }

    private let loop: any EventLoop
    private let core: NIOLoopBoundBox<ClientCore?>
    private let mailbox = NIOLockedValueBox(Mailbox())
    private let make: @Sendable () -> ClientCore

    init(settings: MusterClientSettings, loop: any EventLoop, logger: Logger) {
        self.loop = loop
        core = .makeEmptyBox(valueType: ClientCore.self, eventLoop: loop)
        make = { ClientCore(settings: settings, loop: loop, logger: logger) }
    }

    func post(_ message: Message) {
        let mustSchedule = mailbox.withLockedValue { mailbox in
            mailbox.messages.append(message)
            defer { mailbox.isScheduled = true }
            return !mailbox.isScheduled
        }
        if mustSchedule { loop.execute { self.deliver() } }
    }

    private func deliver() {
        let core = self.core.value ?? make()
        self.core.value = core
        core.take { messages in
            mailbox.withLockedValue { mailbox in
                swap(&mailbox.messages, &messages)
                mailbox.isScheduled = false
            }
        }
    }
}
