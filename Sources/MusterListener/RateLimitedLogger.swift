public import Logging
import NIOConcurrencyHelpers

/// A logger for events that unauthenticated peers can cause: writes a bounded number of lines a second, and counts the
/// rest.
public final class RateLimitedLogger: Sendable {
    private static let linesPerSecond = 10
    private struct Window {
        var start = ContinuousClock.now
        var lines = 0
        var suppressed = 0
    }

    private let logger: Logger
    private let window = NIOLockedValueBox(Window())

    /// Writes to this logger.
    public init(_ logger: Logger) { self.logger = logger }

    /// Logs a line at `info`, or only counts it.
    public func info(_ message: Logger.Message, _ metadata: Logger.Metadata) {
        guard let suppressed = admit() else { return }
        var metadata = metadata
        if suppressed > 0 { metadata["suppressed"] = .stringConvertible(suppressed) }
        logger.info(message, metadata: metadata)
    }

    /// Logs every line at `debug`, which is off in production.
    public func debug(_ message: Logger.Message, _ metadata: @autoclosure () -> Logger.Metadata) {
        logger.debug(message, metadata: metadata())
    }

    /// The number of lines suppressed before this one; nil if this one is to be suppressed too.
    private func admit() -> Int? {
        window.withLockedValue { window in
            let now = ContinuousClock.now
            if now - window.start >= .seconds(1) { (window.start, window.lines) = (now, 0) }
            guard window.lines < Self.linesPerSecond else {
                window.suppressed += 1
                return nil
            }
            window.lines += 1
            defer { window.suppressed = 0 }
            return window.suppressed
        }
    }
}
