import MusterHTTP
import MusterHandlers
import MusterListener
import MusterMetrics
import MusterRPC
import MusterStore
import Postgres

/// All metrics of one server, on one page.
struct ServerMetrics: Sendable {
    private let startedAt = ProcessFigures.time
    let router: CallRouter
    let store: Store
    let rpc: RPCServer
    let rest: HTTPServer

    var page: Exposition {
        var page = Exposition()
        router.metrics.write(to: &page)
        rest.writeMetrics(to: &page)
        page.gauge(
            "muster_connections", "Open connections, by listener.",
            [
                .init(["wire": "rpc"], rpc.status.connections), .init(["wire": "rest"], rest.status.connections),
            ])
        page.counter(
            "muster_accept_pauses_total",
            "Times that a listener stopped accepting for a moment, for want of descriptors or of places.",
            accepting)
        page.gauge(
            "muster_answer_bytes", "Bytes of answers that are not read yet or are being made, by listener.",
            [.init(["wire": "rpc"], rpc.answerBytes), .init(["wire": "rest"], rest.answerBytes)])
        page.counter(
            "muster_unread_answers_cut_total",
            "Connections that were cut to make room, since they left answers unread, by listener.",
            [.init(["wire": "rpc"], rpc.unreadAborts), .init(["wire": "rest"], rest.unreadAborts)])
        writeDatabase(&page)
        store.writeMetrics(to: &page)
        writeProcess(&page)
        return page
    }

    private var accepting: [Exposition.Sample] {
        let listeners = [("rpc", rpc.acceptPauses), ("rest", rest.acceptPauses)]
        return listeners.flatMap { wire, pauses in
            [("descriptors", pauses.descriptors), ("places", pauses.places)].filter { $0.1 > 0 }.map { cause, count in
                Exposition.Sample(["wire": wire, "cause": cause], count)
            }
        }
    }

    private func writeDatabase(_ page: inout Exposition) {
        let now = store.database.statistics
        page.gauge(
            "muster_database_connections", "Connections to PostgreSQL that are up.", now.connected)
        page.gauge(
            "muster_database_work", "Units of work that wait for a connection, and that run on one.",
            [.init(["state": "waiting"], now.waiting), .init(["state": "running"], now.running)])
        page.counter(
            "muster_database_errors_total",
            "Units of work that ended with an error, by class of SQLSTATE or, where PostgreSQL named none, by kind.",
            store.database.errorCounts.sorted { $0.key < $1.key }.map { .init(["class": $0.key], $0.value) })
    }

    private func writeProcess(_ page: inout Exposition) {
        let process = ProcessFigures.now
        page.gauge(
            "muster_build_info", "1, with the version of this server.",
            [.init(["version": MusterServerCommand.version], 1)])
        page.counter(
            "process_cpu_seconds_total", "Processor time that the process has taken.", [.init([:], process.cpuSeconds)])
        page.gauge("process_resident_memory_bytes", "Memory of the process.", process.residentBytes)
        page.gauge("process_open_fds", "Open files and sockets of the process.", process.openFiles)
        page.gauge(
            "process_start_time_seconds", "When the process started, in seconds since 1970.", [.init([:], startedAt)])
    }
}
