import ArgumentParser
import Logging
import ServiceLifecycle
import UnixSignals

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// `muster-server serve`
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers calls, until SIGTERM.",
        discussion: """
            SIGTERM ends it when what is in flight is answered, within ten seconds after shutdown_delay_seconds; a second \
            one at once. SIGHUP reads the certificate again.

            \(SettingTable.help)
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var options: ServeOptions

    func run() async throws {
        var settings = try await Settings.load(common, options.flags)
        try settings.checkDatabase()
        try settings.checkListeners()
        // A peer that disconnects during a write must not end the process.
        signal(SIGPIPE, SIG_IGN)
        let logger = settings.makeLogger()
        settings.logIgnoredVariables(logger)
        try settings.fitDescriptors(logger)
        let serving = Serving(Server(settings, logger: logger))
        let service = ServiceGroupConfiguration.ServiceConfiguration(
            service: serving, successTerminationBehavior: .gracefullyShutdownGroup)
        let group = ServiceGroup(configuration: .init(services: [service], logger: logger))
        try await Self.run(group, serving, logger)
    }

    private static func run(_ group: ServiceGroup, _ serving: Serving, _ logger: Logger) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var isEnding = false
                for await signal in signals {
                    switch signal {
                    case .sighup: serving.reloadCertificate()
                    case _ where isEnding: _exit(1)
                    default:
                        isEnding = true
                        logger.notice("Shutting down")
                        await group.triggerGracefulShutdown()
                    }
                }
            }
            tasks.addTask {
                do { try await group.run() } catch { throw Failure(error) }
            }
            // The services' task ends with the server; the task for signals never ends by itself.
            defer { tasks.cancelAll() }
            for try await _ in tasks { return }
        }
    }
}
