import AsyncHTTPClient
import MusterClient
import MusterProtocol
import NIOCore
import NIOHTTP1

extension Bench {
    private static let cohorts = 400
    private static let events = 2_000
    private static let rounds = 20

    /// Calls the registry's routes with requests of maximum size; clients give up after two seconds.
    func registry() async throws {
        let key = try await client.send(CreateKey(kind: .service, name: "bench", scopes: ["*"])).secret
        let sender = ServiceSender(url: "http://127.0.0.1:\(restPort)", key: key)
        var people = People(
            run: String(UInt32.random(in: 0 ... .max), radix: 36), ids: sample(users, seed: .random(in: 0 ... .max)))
        try await fillCohorts()
        let active = people.next(50)
        try await fillHistories(of: active)
        print(
            """

            ## Registry by REST: requests with as much as they may have, one at a time

            \(Self.cohorts) cohorts have \((users / 40).grouped) random users each. Who is exported has \(Self.events.grouped) events and as many purchases.

            | what | requests | given up | median ms | slowest ms |
            |---|---|---|---|---|
            """)
        for work in RegistryWork.allCases {
            var times: [Double] = []
            var givenUp = 0
            for _ in 0..<Self.rounds {
                let aliases = work == .identify ? try await newPeople(&people) : []
                let body = work.body(work == .export ? active : people.next(work == .merge ? 100 : 50), aliases)
                let clock = ContinuousClock()
                times.append(
                    try await clock.measure { if try await !sender.send(work.path, body) { givenUp += 1 } }
                        / .milliseconds(1))
            }
            times.sort()
            let text = { (time: Double) in String(Int(time.rounded())) }
            print(
                "| \(work.rawValue) | \(times.count) | \(givenUp) | \(text(times[times.count / 2])) | \(text(times[times.count - 1])) |"
            )
        }
    }

    private func fillCohorts() async throws {
        try await inParallel(Array(0..<Self.cohorts), atOnce: 4) { number in
            let ids = sample(users / 40, seed: UInt64(1_000 + number))
            for start in stride(from: 0, to: ids.count, by: 25_000) {
                let list = IdentifierList(ids[start..<min(start + 25_000, ids.count)])
                _ = try await client.send(
                    ImportCohort(
                        partner: "bench", cohortID: Identifier("many-\(number)"), changes: [.adding(userIDs: list)]))
            }
        }
    }

    private func fillHistories(of ids: [Identifier]) async throws {
        try await inParallel(ids, atOnce: 4) { id in
            for start in stride(from: 0, to: Self.events, by: 500) {
                let times = (start..<(start + 500)).map { "2026-09-\(10 + $0 % 20)T12:\(10 + $0 % 50):00Z" }
                let events: [Attributes] = times.map {
                    ["external_id": .string(Array(id.text.utf8)), "name": "viewed", "time": .string(Array($0.utf8))]
                }
                let purchases: [Attributes] = times.map {
                    [
                        "external_id": .string(Array(id.text.utf8)), "product_id": "book", "currency": "EUR",
                        "price": .number(9.5),
                        "time": .string(Array($0.utf8)),
                    ]
                }
                _ = try await client.send(TrackUsers(events: events, purchases: purchases))
            }
        }
    }

    /// Fifty anonymous users by alias, who are in ten of these cohorts.
    private func newPeople(_ people: inout People) async throws -> [Alias] {
        let aliases = people.newAliases(50)
        _ = try await client.send(
            UpsertUsers(users: aliases.map { UserEntry(aliases: [$0], attributes: ["n": .integer(1)]) }))
        for number in 0..<10 {
            _ = try await client.send(
                ImportCohort(
                    partner: "bench", cohortID: Identifier("many-\(number * 40)"), changes: [.adding(aliases: aliases)])
            )
        }
        return aliases
    }
}

/// A request of maximum size about users that no earlier request named; exported users are always the same.
private enum RegistryWork: String, CaseIterable {
    case track = "`/users/track`, 75 attributes, 75 events, 75 purchases"
    case bulk = "`/users/track/bulk`, 999 objects"
    case aliases = "`/users/alias/new`, 50"
    case identify = "`/users/identify`, 50, each joined into another user"
    case merge = "`/users/merge`, 50"
    case rename = "`/users/external_ids/rename`, 50"
    case delete = "`/users/delete`, 50"
    case export = "`/users/export/ids`, 50"

    var path: String { String(rawValue.dropFirst().prefix { $0 != "`" }) }

    func body(_ ids: [Identifier], _ aliases: [Alias]) -> String {
        let ids = ids.map(\.text)
        func list(_ name: String, _ count: Int = 50, _ entry: (Int) -> String) -> String {
            "\"\(name)\":[\((0..<count).map { "{\(entry($0))}" }.joined(separator: ","))]"
        }
        func did(_ number: Int) -> String { #""external_id":"\#(ids[number % 50])","time":"2026-10-01T10:00:00Z""# }
        func tracked(_ count: Int) -> String {
            list("attributes", count) { #""external_id":"\#(ids[$0 % 50])","visits":\#($0),"country":"IT""# } + ","
                + list("events", count) { did($0) + #","name":"viewed","properties":{"page":\#($0)}"# } + ","
                + list("purchases", count) { did($0) + #","product_id":"book","currency":"EUR","price":9.5"# }
        }
        func alias(_ number: Int) -> String {
            #""alias_label":"\#(aliases[number].label.text)","alias_name":"\#(aliases[number].name.text)""#
        }
        let fields =
            switch self {
            case .track: tracked(75)
            case .bulk: tracked(333)
            case .aliases:
                list("user_aliases") { #""external_id":"\#(ids[$0])","alias_label":"mail","alias_name":"\#(ids[$0])""# }
            case .identify:
                list("aliases_to_identify") { #""external_id":"\#(ids[$0])","user_alias":{\#(alias($0))}"# }
                    + #","merge_behavior":"merge""#
            case .merge:
                list("merge_updates") {
                    #""identifier_to_merge":{"external_id":"\#(ids[2 * $0])"},"identifier_to_keep":{"external_id":"\#(ids[2 * $0 + 1])"}"#
                }
            case .rename:
                list("external_id_renames") {
                    #""current_external_id":"\#(ids[$0])","new_external_id":"new-\#(ids[$0])""#
                }
            case .delete, .export: "\"external_ids\":[\(ids.map { "\"\($0)\"" }.joined(separator: ","))]"
            }
        return "{\(fields)}"
    }
}

/// Hands out each user once.
private struct People {
    let run: String
    let ids: [Identifier]
    private var given = 0
    private var made = 0

    init(run: String, ids: [Identifier]) {
        self.run = run
        self.ids = ids
    }

    mutating func next(_ count: Int) -> [Identifier] {
        defer { given += count }
        return Array(ids[given..<(given + count)])
    }

    mutating func newAliases(_ count: Int) -> [Alias] {
        defer { made += count }
        return (made..<(made + count)).map { Alias(label: "bench", name: Identifier("\(run)-\($0)")) }
    }
}

private struct ServiceSender: Sendable {
    let url: String
    let key: String

    struct Refused: Error {
        let status: UInt
        let text: String
    }

    /// Whether the request was answered in time.
    func send(_ path: String, _ body: String) async throws -> Bool {
        var request = HTTPClientRequest(url: url + path)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.headers.add(name: "authorization", value: "Bearer \(key)")
        request.body = .bytes(Array(body.utf8))
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        let answer = String(buffer: try await response.body.collect(upTo: 64 << 20))
        if response.status.code == 504 { return false }
        guard (200...202).contains(response.status.code), !answer.contains(#""errors":[{"#) else {
            throw Refused(status: response.status.code, text: String(answer.prefix(500)))
        }
        return true
    }
}
