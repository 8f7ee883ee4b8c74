import Logging
import MusterHTTP
import MusterProtocol
import MusterRPC
import MusterStore
import Postgres
import ServiceLifecycle

/// Runs a server, from waiting for the database to the last response.
final class Serving: Service {
    let server: Server
    private var settings: Settings { server.settings }
    private var logger: Logger { server.logger }
    private var store: Store { server.store }
    private var schema: Schema { server.schema }

    init(_ server: Server) { self.server = server }

    /// Reads certificate and key from their files again.
    func reloadCertificate() {
        do {
            try server.rpc.reloadCertificate()
            try server.rest.reloadCertificate()
            logger.notice("Certificate read again")
        } catch {
            logger.error("The certificate can't be read; the old one stays", metadata: ["cause": "\(error)"])
        }
    }

    func run() async throws {
        warnOfOpenListeners()
        // Logs an error if it fails; then everything except erasures is served.
        try? await store.journal?.open()
        // Runs from before the database is up to the last response: operators need it most then.
        try await server.ops?.start()
        let result: Result<Void, any Error>
        do {
            // Before other parts learn of the shutdown, so that `/readyz` and `server.health` report it.
            try await withGracefulShutdownHandler {
                try await serve()
            } onGracefulShutdown: {
                self.server.draining.begin()
            }
            result = .success(())
        } catch { result = .failure(error) }
        await server.ops?.stop()
        await server.database.close()
        try result.get()
    }

    /// Warns at each start, so that a missing certificate is noticed even if plaintext is allowed.
    private func warnOfOpenListeners() {
        for open in settings.openListeners {
            logger.warning(
                "\(open.name) listens beyond this machine without TLS: who is on the way reads along",
                metadata: [
                    "host": "\(open.host)", "port": .stringConvertible(open.port),
                    "allowed_by": "\(open.permission.key)",
                ])
        }
    }

    private func serve() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await self.waitForDatabase() }
        } catch is CancellationError {
            return  // told to stop before there was anything to serve
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.listen() }
            // Computation must not delay the polls of keys: late polls refuse calls.
            group.addTask(priority: .high) { await self.server.watchKeys() }
            group.addTask { await self.runMaintenance() }
            group.addTask { await self.export() }
            if settings.exitsOnRefusal { group.addTask { try await self.watchRefusals() } }
            // The listeners end when they have drained; their keys are watched until then.
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Throws when PostgreSQL refuses connections permanently, if the operator wants the server to exit then.
    private func watchRefusals() async throws {
        while true {
            try await Task.sleep(for: .seconds(1))
            if let refusal = server.database.refusal { throw refusal }
        }
    }

    /// Runs both listeners until both have drained, or one fails.
    private func listen() async throws {
        try await withThrowingTaskGroup(of: Void.self) { listeners in
            listeners.addTask { try await self.server.rpc.run() }
            listeners.addTask { try await self.server.rest.run() }
            try await listeners.waitForAll()
        }
    }

    /// Runs maintenance passes for as long as the server runs. A failed pass is left to the next one.
    private func runMaintenance() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(settings.maintenanceSeconds) * Double.random(in: 0.8...1.2))
            do {
                let report = try await store.maintenance.run(
                    Retention(historyDays: settings.historyDays, eventDays: settings.eventDays))
                if report != MaintenanceReport() { logger.info("Maintenance done", metadata: report.metadata) }
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                logger.warning("Maintenance failed; the next pass tries again", metadata: ["cause": "\(error)"])
            }
        }
    }

    /// Makes the archives of exports, apart from maintenance, since one may take minutes. A failed export is left to a
    /// later pass or another server.
    private func export() async {
        while !Task.isCancelled {
            do {
                let count = try await store.maintenance.runExports(keepHours: settings.exportKeepHours)
                if count > 0 { logger.info("Exports done", metadata: ["exports": .stringConvertible(count)]) }
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                logger.warning("Exports failed; they are tried again", metadata: ["cause": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(settings.maintenanceSeconds) * Double.random(in: 0.8...1.2))
        }
    }

    /// Returns when PostgreSQL is up with the right schema and role. Throws if waiting would not help or is turned off.
    private func waitForDatabase() async throws {
        var pause = Duration.milliseconds(50)
        var told = ""
        while true {
            do {
                return try await check(deadline: .now + .seconds(3))
            } catch let error as PostgresError {
                try Task.checkCancellation()
                if settings.exitsOnRefusal, error.isRefusal { throw error }
                // The database logs why there is no connection; other causes are logged once each.
                if error.kind != .unavailable, error.cause != told {
                    told = error.cause
                    logger.warning("PostgreSQL can't be used yet", metadata: ["cause": "\(told)"])
                }
            }
            try await Task.sleep(for: pause * Double.random(in: 0.5...1))
            pause = min(pause * 2, .seconds(1))
        }
    }

    private func check(deadline: ContinuousClock.Instant) async throws {
        let facts = try await schema.facts(deadline: deadline)
        guard facts.encoding == "UTF8" else { throw Failure.encoding(facts.encoding) }
        if let pass = facts.bypassesRLS {
            guard settings.isOwnerRoleAllowed else { throw Failure.role(pass) }
            logger.warning("The role sees all workspaces", metadata: ["role": "\(pass.rawValue)"])
        }
        try await schema.check(deadline: deadline)
        try await schema.checkAccess(deadline: deadline)
        try await warnOfAccess(deadline: deadline)
        for name in facts.weakSettings {
            logger.critical(
                "PostgreSQL may lose acknowledged writes when the machine loses power", metadata: [name: "off"])
        }
        let version = try await schema.version(deadline: deadline)
        logger.info(
            schema.remark(on: version),
            metadata: [
                "schema": .stringConvertible(version), "served": .stringConvertible(schema.current),
                "postgres": "\(facts.version)",
            ])
    }

    /// This role has the access that it needs; the owner's functions, which create and drop months of events, may not.
    private func warnOfAccess(deadline: ContinuousClock.Instant) async throws {
        let differences = try await schema.accessDifferences(deadline: deadline)
        guard let first = differences.first else { return }
        logger.error(
            "Roles, policies or grants are not as they should be: run `muster-server migrate` as the owner of the tables",
            metadata: ["differences": .stringConvertible(differences.count), "first": "\(first)"])
    }
}

extension Schema {
    /// The log message for a database with a schema that this build supports.
    func remark(on version: Int) -> Logger.Message {
        version == current ? "Schema is current" : "Schema is newer and only adds"
    }
}

extension MaintenanceReport {
    fileprivate var metadata: Logger.Metadata {
        [
            "sets": .stringConvertible(setsCompacted), "changes": .stringConvertible(changesCompacted),
            "listings": .stringConvertible(listingsEnded),
            "requests": .stringConvertible(requestsPruned), "receipts": .stringConvertible(receiptsPruned),
            "forgotten": .stringConvertible(changesPruned),
            "attribute_changes_forgotten": .stringConvertible(attributeChangesPruned),
            "definition_changes_forgotten": .stringConvertible(definitionChangesPruned),
            "identifier_changes_forgotten": .stringConvertible(identifierChangesPruned),
            "exports": .stringConvertible(exportsEnded), "exports_outdated": .stringConvertible(exportsOutdated),
            "exports_forgotten": .stringConvertible(exportsPruned), "sizes": .stringConvertible(sizesRecorded),
            "event_months_made": .stringConvertible(eventMonthsMade),
            "event_months_dropped": .stringConvertible(eventMonthsDropped),
            "events_forgotten": .stringConvertible(eventsPruned),
            "erasures_journalled": .stringConvertible(erasuresJournalled),
        ]
    }
}
