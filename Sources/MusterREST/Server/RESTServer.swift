import Hummingbird
import HummingbirdCore
public import Logging
public import MusterHandlers
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The second listener: Braze's wire over HTTP. Every route decodes to the calls that the RPC has, so that no rule lives here twice.
public final class RESTServer: Sendable {
    private let settings: RESTServerSettings
    private let responder: RouterResponder<RESTContext>
    private let certificate: Certificate
    private let logger: Logger
    private let channel = NIOLockedValueBox<(any Channel)?>(nil)

    /// A server that answers with the calls of `router`, on the event loops of the process.
    public init(
        settings: RESTServerSettings, router: MusterHandlers.Router, archives: ExportArchives, logger: Logger
    ) {
        self.settings = settings
        self.logger = logger
        certificate = Certificate(settings.tls)
        responder =
            RESTRoutes(
                desk: AccessDesk(router: router), router: router,
                exports: ExportRoutes(archives: archives, scheme: settings.tls == nil ? "http" : "https"),
                logger: logger
            ).responder
    }

    /// The port that it listens on, once it has started.
    public var boundPort: Int? { channel.withLockedValue { $0?.localAddress?.port } }

    /// Certificate and key as they are in the files now; connections that are open keep the old one.
    public func reloadCertificate() throws {
        guard settings.tls != nil || settings.allowPlaintext else { throw RESTServerError.plaintextNotAllowed }
        try certificate.reload()
    }

    /// Serves until a graceful shutdown, or a cancellation; then answers what is in flight and returns.
    public func run() async throws {
        try reloadCertificate()
        let address = "\(settings.host):\(settings.port)"
        do {
            try await server().run()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw RESTServerError.addressInUse(address)
        } catch let error as IOError {
            throw RESTServerError.cannotListen(address, reason: "\(error)")
        }
    }

    private func server() throws -> any Service {
        let (responder, certificate, log) = (responder, certificate, logger)
        let builder = HTTPServerBuilder { respond in
            CertifiedChannel(
                HTTP1Channel(responder: respond, configuration: .init(idleTimeout: .seconds(60))), certificate)
        }
        return try builder.buildServer(
            configuration: ServerConfiguration(address: .hostname(settings.host, port: settings.port)),
            eventLoopGroup: .singletonMultiThreadedEventLoopGroup, logger: quiet(log)
        ) { request, writer, channel in
            let context = RESTContext(source: .init(channel: channel, logger: log))
            let response = try await responder.respond(to: request, context: context)
            try await writer.write(response: response.head, body: response.body)
        } onServerRunning: { channel in
            self.channel.withLockedValue { $0 = channel }
            log.info(
                "REST listens", metadata: ["address": "\(channel.localAddress.map(String.init(describing:)) ?? "?")"])
        }
    }
}

/// What Hummingbird has to say is of no use to an operator below a warning.
private func quiet(_ logger: Logger) -> Logger {
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    return quiet
}

/// What Hummingbird's router keeps of a request.
struct RESTContext: RequestContext {
    var coreContext: CoreRequestContextStorage

    init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
}
