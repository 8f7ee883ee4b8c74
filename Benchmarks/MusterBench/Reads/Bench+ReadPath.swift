import Foundation
import MusterClient
import MusterProtocol

/// Times reads beside what bounds them: an echo of the same frames, the same check hand-written in SQL, and the least
/// statement that can prove an exact answer.
struct ReadPath {
    let bench: Bench
    let key: String
    let load: LoadProgram
    let pgbench: Pgbench
    let rounds: Int
    let seconds: Double

    private typealias Shape = LoadProgram.Shape
    private static let one = Shape(connections: 1, inFlight: 1)
    private static let few = Shape(connections: 4, inFlight: 8)
    private static let many = Shape(connections: 4, inFlight: 64)

    /// A row of the table.
    private struct Row {
        let name: String
        let shape: LoadProgram.Shape?
        /// What its rate is compared with: names of other rows.
        var rivals: [Rival: String] = [:]
        let measure: (_ echo: Int) throws -> ReadFigures
    }

    private enum Rival: String, CaseIterable {
        case echo
        case sql = "SQL"
        case proof
    }

    func run() async throws {
        var settings = bench.settings
        settings.key = key
        let client = MusterClient(settings)
        try await ReadsFilling(bench: bench, client: client).fill()
        await client.close()
        let rows = try floors() + calls()
        let figures = try await load.withEcho { echo in
            var measured: [String: [ReadFigures]] = [:]
            for _ in 0..<rounds {
                for row in rows { measured[row.name, default: []].append(try row.measure(echo)) }
            }
            return measured.mapValues(ReadFigures.median)
        }
        printTable(rows, figures)
    }

    // MARK: What bounds them

    private func floors() throws -> [Row] {
        let check = call(CheckSegments(users: [.externalID("%u")], segments: [ReadsFilling.segmentID(0)]))
        let echoes = [Self.one, Self.few, Self.many].map { shape in
            Row(name: Self.echo(shape), shape: shape) { port in
                try load.steady(check, shape, seconds: seconds, port: port)
            }
        }
        let proof = try proofScript()
        let statements = [1, 4].flatMap { connections in
            [
                Row(name: Self.sql(connections), shape: .init(connections: connections, inFlight: 1)) { _ in
                    try pgbench.run(checkScript, connections: connections, seconds: seconds)
                },
                Row(name: Self.proof(connections), shape: .init(connections: connections, inFlight: 1)) { _ in
                    try pgbench.run(proof, connections: connections, seconds: seconds, role: "muster_server")
                },
            ]
        }
        return echoes + statements
    }

    private static func echo(_ shape: LoadProgram.Shape) -> String { "echo, \(shape)" }
    private static func sql(_ connections: Int) -> String { "the check as SQL over member rows, \(connections)" }
    private static func proof(_ connections: Int) -> String { "the proof as SQL, \(connections)" }

    private var checkScript: String {
        """
        \\set n random(0, \(bench.users - 1))
        SELECT (EXISTS (SELECT FROM reads_member WHERE cohort = 0 AND reads_member.id = reads_user.id)
        OR EXISTS (SELECT FROM reads_member WHERE cohort = 1 AND reads_member.id = reads_user.id))
        AND NOT EXISTS (SELECT FROM reads_member WHERE cohort = 2 AND reads_member.id = reads_user.id)
        FROM reads_user WHERE external_id = 'u-' || lpad(:n::text, 7, '0');
        """
    }

    /// The workspace and the heads of five sets, under one sync and by the server's role.
    private func proofScript() throws -> String {
        let workspace = "(SELECT workspace_id FROM workspace WHERE name = 'reads')"
        let found = try bench.baseline.run(
            """
            SELECT \(workspace);
            SELECT string_agg(set_number::text, ',') FROM
            (SELECT set_number FROM set_head WHERE workspace_id = \(workspace) ORDER BY set_number LIMIT 5) x;
            """
        ).split(separator: "\n")
        guard found.count == 2 else { throw LoadProgram.Failed(description: "there is no workspace named reads") }
        return """
            \\startpipeline
            SELECT set_config('muster.workspace', '\(found[0])', true);
            SELECT set_number, version, tag FROM set_head
            WHERE workspace_id = \(found[0]) AND set_number = ANY ('{\(found[1])}'::int4[]);
            \\endpipeline
            """
    }

    // MARK: Calls

    private func call<C: Call>(_ call: C) -> LoadCall {
        let body = (try? JSONEncoding.encode(call)) ?? []
        return LoadCall(method: C.method, body: String(decoding: body, as: UTF8.self), users: bench.users)
    }

    private func calls() -> [Row] {
        let segments = (0..<10).map(ReadsFilling.segmentID)
        let check = call(CheckSegments(users: [.externalID("%u")], segments: [segments[0]]))
        var recent = call(
            CheckSegments(users: [.externalID("%u")], segments: [segments[0]], maxStalenessMilliseconds: 60_000))
        recent.users = 1_000
        let batch = call(
            CheckSegments(users: Array(repeating: .externalID("%u"), count: 1_000), segments: segments))
        let leaves = (0..<20).map(ReadsFilling.cohort)
        let filter = Filter.all([.any(Array(leaves[..<14])), .not(.any(Array(leaves[14...])))])
        return [
            row("`segments.check`, exact", check, Self.one, sql: 1),
            row("`segments.check`, exact", check, Self.few, sql: 4),
            row("`segments.check`, exact", check, Self.many, sql: 4),
            row("`segments.check`, `max_staleness_ms` 60,000, 1,000 users", recent, Self.few, sql: 4, isExact: false),
            row("`segments.check`, 1,000 users in 10 segments", batch, Self.one),
            row("`segments.of`, 200 segments", call(SegmentsOfUser(user: .externalID("%u"))), Self.one),
            row("`segments.size`, three cohorts", call(SizeSegment(segmentID: segments[0])), Self.one),
            row(
                "`segments.size`, 20 leaves `with_nodes`", call(SizeSegment(filter: filter, withNodes: true)), Self.one),
            besideImports(check),
        ]
    }

    private func row(
        _ name: String, _ call: LoadCall, _ shape: LoadProgram.Shape, sql: Int? = nil, isExact: Bool = true
    ) -> Row {
        var rivals: [Rival: String] = [.echo: Self.echo(shape)]
        if let sql { rivals[.sql] = Self.sql(sql) }
        if isExact { rivals[.proof] = Self.proof(min(shape.connections, 4)) }
        return Row(name: "\(name), \(shape)", shape: shape, rivals: rivals) { _ in
            try load.steady(call, shape, seconds: seconds, port: bench.port, key: key)
        }
    }

    private func besideImports(_ check: LoadCall) -> Row {
        let imports = (0..<200).map { number in
            let users = IdentifierList((0..<10).map { ReadsFilling.userID((number / 2 * 10 + $0) % bench.users) })
            let change = number % 2 == 0 ? CohortChange.adding(userIDs: users) : .removing(userIDs: users)
            return call(ImportCohort(partner: "bench", cohortID: ReadsFilling.cohortID(0), changes: [change]))
        }
        let alone = row("`segments.check`, exact, beside 100 imports of 10 users a second", check, Self.few, sql: 4)
        return Row(name: alone.name, shape: alone.shape, rivals: alone.rivals) { echo in
            // For as long as the load warms up and measures.
            try load.offering(imports, rate: 100, seconds: seconds + 0.7, port: bench.port, key: key) {
                try alone.measure(echo)
            }
        }
    }

    // MARK: The table

    private func printTable(_ rows: [Row], _ figures: [String: ReadFigures]) {
        print(
            """

            ## Reads

            \(Bench.today): \(bench.users.grouped) users, \(ReadsFilling.cohorts) cohorts of \((bench.users / 10).grouped), \
            \(ReadsFilling.segments) segments of three cohorts, every fourth with an attribute. Connections × calls in \
            flight on each; the load is a program in C. Microseconds; CPU is of each process, a call. \
            Ratios are of rates, to the echo of the same shape, and to the SQL and the proof over one connection for \
            1 × 1 and over four for the others. Medians of \(rounds).

            | what | /s | p50 | p99 | server | PostgreSQL | of the echo | of the SQL | of the proof |
            |---|---|---|---|---|---|---|---|---|
            """)
        for row in rows {
            guard let own = figures[row.name] else { continue }
            let ratios = Rival.allCases.map { rival in
                row.rivals[rival].flatMap { figures[$0] }.map { Self.text(own.rate / $0.rate) } ?? ""
            }
            let cells = [
                row.name, Int(own.rate).grouped, Self.text(own.median), Self.text(own.high),
                own.server.map(Self.text) ?? "", own.postgres.map(Self.text) ?? "",
            ]
            print("| \((cells + ratios).joined(separator: " | ")) |")
        }
    }

    /// Three digits.
    private static func text(_ number: Double) -> String {
        if number >= 100 { return Int(number).grouped }
        return String(format: number >= 10 ? "%.1f" : number >= 0.1 ? "%.2f" : "%.4f", number)
    }
}
