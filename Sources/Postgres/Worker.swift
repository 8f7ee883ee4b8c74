import Locking
import Logging

/// A thread and its connection, which only this thread uses.
final class Worker: Sendable {
    private let settings: DatabaseSettings
    private let queue: WorkQueue
    private let canceller: Canceller
    private let liveSessions: LiveSessions
    private let logger: Logger
    /// Whether its connection only does urgent work.
    private let urgentOnly: Bool
    private let interrupt = Interrupt()
    private let workAdded = Signal()

    init(
        settings: DatabaseSettings, queue: WorkQueue, canceller: Canceller, liveSessions: LiveSessions,
        urgentOnly: Bool, logger: Logger
    ) {
        self.settings = settings
        self.queue = queue
        self.canceller = canceller
        self.liveSessions = liveSessions
        self.urgentOnly = urgentOnly
        self.logger = logger
    }

    /// Connects, serves, and reconnects, until the database is closed.
    func run() {
        defer { queue.workerEnded() }
        guard var target = makeTarget() else { return }
        var backoff = Backoff()
        let connecting = Connecting(
            settings: settings, logger: logger, interrupt: interrupt, canceller: canceller, liveSessions: liveSessions,
            isUnwanted: { [queue] in queue.isClosing })
        while !queue.isClosing {
            do {
                let session = try connecting.connect(to: &target)
                if serve(session) {
                    backoff.reset()
                } else if !queue.pause(milliseconds: backoff.nextDelayMilliseconds()) {
                    return
                }
            } catch {
                let failure = error as? PostgresError ?? PostgresError(.unavailable)
                report(failure)
                if !queue.pause(milliseconds: backoff.nextDelayMilliseconds()) { return }
            }
        }
    }

    /// Logs each cause once, regardless of how many connections and attempts it affects.
    private func report(_ failure: PostgresError) {
        if queue.isClosing { return }  // closing the database aborted the attempt
        let isNews = failure.isPooling ? queue.sawPooling(failure) : queue.failedToConnect(failure)
        logger.log(
            level: isNews ? .warning : .debug, "No connection to PostgreSQL", metadata: ["cause": "\(failure.cause)"])
    }

    /// Ends a wait for the network, not a unit of work.
    func wake() { interrupt.wake() }

    /// If libpq can't parse the connection string, all work fails with that error.
    private func makeTarget() -> ConnectionTarget? {
        do { return try ConnectionTarget(settings) } catch {
            let failure = error as? PostgresError ?? PostgresError(.misuse)
            logger.error("No connection to PostgreSQL", metadata: ["error": "\(failure)"])
            _ = queue.failedToConnect(failure)
            while true {
                switch queue.next(for: interrupt, wokenBy: workAdded, urgentOnly: urgentOnly) {
                case .run(let work, _):
                    queue.finished(work, isAnswered: false)
                    work.refuse(failure)
                case .refuse(let works, let error): for work in works { work.refuse(error) }
                case .verify: break
                case .end: return nil
                }
            }
        }
    }

    /// Returns whether the connection was useful before it ended.
    private func serve(_ session: DatabaseSession) -> Bool {
        if queue.connected(true, urgentOnly: urgentOnly) { logger.info("Connected to PostgreSQL again") }
        defer { queue.connected(false, urgentOnly: urgentOnly) }
        let age = Double(settings.maximumConnectionAgeSeconds) * Double.random(in: 0.8...1.2)
        let retirement = MonotonicTime.after(milliseconds: Int(clamping: Int64(min(max(age, 1), 1e9) * 1000)))
        var wasOfUse = false
        while !session.isLost, retirement > .now {
            switch queue.next(for: interrupt, wokenBy: workAdded, urgentOnly: urgentOnly) {
            case .end: return true
            case .refuse(let works, let error): for work in works { work.refuse(error) }
            case .verify:
                session.verify(until: .after(milliseconds: settings.connectTimeoutMilliseconds))
                if session.poolingEvidence == nil, !queue.pause(milliseconds: PoolingTrial.pauseMilliseconds) {
                    return true
                }
            case .run(let work, let mayRunAgain):
                guard session.isAlive() else {
                    queue.putBack(work, hasRun: false)
                    return wasOfUse
                }
                guard let answer = work.run(session, mayRunAgain) else {
                    queue.putBack(work, hasRun: true)
                    return wasOfUse
                }
                wasOfUse = wasOfUse || session.job.hasResult
                queue.finished(work, isAnswered: !session.isLost)
                answer()
            }
        }
        if let evidence = session.poolingEvidence {
            report(evidence)
            return false
        }
        return true
    }
}
