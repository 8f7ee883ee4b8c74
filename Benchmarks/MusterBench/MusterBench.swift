import ArgumentParser
import Foundation
import MusterClient
import MusterProtocol

/// Compares a running server with hand-written SQL on the same PostgreSQL and prints a page of Markdown.
/// `scripts/bench` sets it up.
@main
struct MusterBench: AsyncParsableCommand {
    @Option(help: "Port of the server on this machine.") var port: Int
    @Option(help: "Port of its REST endpoint.") var restPort: Int
    @Option(help: "Process id of the server.") var server: Int
    @Option(help: "Process id of PostgreSQL's first process.") var postmaster: Int
    @Option(help: "Connection string for psql, for a role that may create tables.") var psql: String
    @Option(help: "Folder for files that psql reads.") var folder: String
    @Option(help: "Number of registered users, and of identifiers of an import.") var users = 1_000_000
    @Option(help: "The load program, built from Benchmarks/load.") var load: String
    @Option(help: "PostgreSQL's pgbench.") var pgbench: String
    @Option(help: "How often each read is measured; the median counts.") var rounds = 3
    @Option(help: "Seconds of a measurement of reads.") var seconds = 2.0
    @Option(help: "Calls of a measurement of the client.") var clientCalls = 200_000

    @Option(
        help:
            "Measure only this part: \(Part.allCases.map(\.rawValue).joined(separator: ", ")). `client` needs `reads`; the others need what an earlier run left."
    )
    var only: [Part] = []

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case register, imports, rest, sizes, attributes, checks, registry, reads, client
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let readsKey = environment["MUSTER_READS_KEY"] ?? ""
        let key = environment["MUSTER_KEY"] ?? ""
        var settings = MusterClientSettings(host: "127.0.0.1", port: port, key: key, security: .plaintext)
        settings.deadline = .seconds(60)
        let client = MusterClient(settings)
        let processes = Processes(server: server, postmaster: postmaster)
        let bench = Bench(
            client: client, settings: settings, processes: processes, baseline: Baseline(psql, folder), users: users,
            port: port, restPort: restPort)
        let loadProgram = LoadProgram(path: load, processes: processes)
        if only.isEmpty { try await bench.head() }
        for part in Part.allCases where only.isEmpty || only.contains(part) {
            switch part {
            case .register: try await bench.register()
            case .imports: try await bench.imports()
            case .rest: try await bench.rest()
            case .sizes: try await bench.sizes()
            case .attributes: try await bench.attributes()
            case .checks: try await bench.checks()
            case .registry: try await bench.registry()
            case .reads:
                let pgbench = Pgbench(path: pgbench, database: psql, folder: folder, processes: processes)
                try await ReadPath(
                    bench: bench, key: readsKey, load: loadProgram, pgbench: pgbench, rounds: rounds, seconds: seconds
                ).run()
            case .client: try await bench.clientCost(loadProgram, readsKey: readsKey, calls: clientCalls)
            }
        }
        if only.isEmpty { bench.memory() }
        await client.close()
    }
}

/// The parts of the page, in order.
struct Bench {
    let client: MusterClient
    let settings: MusterClientSettings
    let processes: Processes
    let baseline: Baseline
    let users: Int
    let port: Int
    let restPort: Int

    func userID(_ number: Int) -> Identifier {
        Identifier("user-" + String(number &* 2_654_435_761 % 4_294_967_296, radix: 16))
    }

    /// Random ids of users, the same in each run.
    func sample(_ count: Int, seed: UInt64) -> [Identifier] {
        var random = SplitMix(state: seed)
        return (0..<users).shuffled(using: &random).prefix(count).map(userID)
    }

    func head() async throws {
        let info = try await client.send(GetInfo())
        print(
            """
            Machine: \(Machine.description). PostgreSQL \(info.postgres.version), fsync \(info.postgres.fsync), \
            synchronous_commit \(info.postgres.synchronousCommit), on the same machine. \(Self.today). Release build.

            """)
    }

    static var today: String { Date().formatted(.iso8601.year().month().day()) }

    func row(_ name: String, count: Int, _ measure: Measure, note: String = "") {
        let rate = Int(Double(count) / measure.seconds)
        let micro = { (seconds: Double) in String(format: "%.2f", seconds / Double(count) * 1e6) }
        print(
            "| \(name) | \(String(format: "%.2f", measure.seconds)) | \(rate.grouped) | \(micro(measure.client)) | "
                + "\(micro(measure.server)) | \(micro(measure.postgres)) | \(note) |")
    }

    func table(_ title: String, unit: String) {
        print(
            "\n## \(title)\n\n| what | s | \(unit)/s | client µs | server µs | PostgreSQL µs | |\n|---|---|---|---|---|---|---|"
        )
    }

    func memory() {
        let memory = Machine.memory(of: processes.server)
        print(
            "\n## Memory\n\nThe server, after all of the above: \(memory.now) MB resident, \(memory.most) MB at most.")
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension Int {
    var grouped: String {
        var digits = String(self)
        var at = digits.count - 3
        while at > 0 {
            digits.insert(",", at: digits.index(digits.startIndex, offsetBy: at))
            at -= 3
        }
        return digits
    }
}
