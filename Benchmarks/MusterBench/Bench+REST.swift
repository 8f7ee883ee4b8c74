import AsyncHTTPClient
import Foundation
import MusterClient
import MusterProtocol
import NIOCore
import NIOHTTP1

extension Bench {
    /// Imports by the partner route, 1,000 identifiers per request, as connectors do.
    func rest() async throws {
        _ = try await client.send(SetPartner(partner: "bench"))
        let key = try await client.send(CreateKey(kind: .import, partner: "bench", name: "bench")).secret
        let sender = PartnerSender(url: "http://127.0.0.1:\(restPort)/partners/bench/cohorts/users", key: key)
        let ids = sample(users, seed: 2)
        let run = UInt32.random(in: 0 ... .max)
        print(
            "\n## Importing \(users.grouped) identifiers by REST, 1,000 a request\n\n| senders | s | imports/s | identifiers/s | p50 ms | p99 ms "
                + "| client µs | server µs | PostgreSQL µs |\n|---|---|---|---|---|---|---|---|---|")
        for atOnce in [1, 8] {
            let bodies = stride(from: 0, to: ids.count, by: 1_000).enumerated().map { number, start in
                // Each sender has a cohort of its own, as with the RPC.
                sender.body("rest-\(run)-\(atOnce)-\(number % atOnce)", ids[start..<min(start + 1_000, ids.count)])
            }
            let times = Times()
            let measure = try await processes.measure {
                try await inParallel(bodies, atOnce: atOnce) { body in
                    let clock = ContinuousClock()
                    let time = try await clock.measure { try await sender.send(body) }
                    await times.add(time / .milliseconds(1))
                }
            }
            await row(atOnce, imports: bodies.count, measure, times)
        }
    }

    private func row(_ senders: Int, imports: Int, _ measure: Measure, _ times: Times) async {
        let rate = { (count: Int) in Int(Double(count) / measure.seconds).grouped }
        let micro = { (seconds: Double) in String(format: "%.2f", seconds / Double(users) * 1e6) }
        let (median, high) = (await times.quantile(0.5), await times.quantile(0.99))
        print(
            "| \(senders) | \(String(format: "%.2f", measure.seconds)) | \(rate(imports)) | \(rate(users)) | "
                + "\(String(format: "%.1f", median)) | \(String(format: "%.1f", high)) | \(micro(measure.client)) | "
                + "\(micro(measure.server)) | \(micro(measure.postgres)) |")
    }
}

/// A connector that sends its requests one by one.
private struct PartnerSender: Sendable {
    let url: String
    let key: String

    struct Refused: Error { let status: UInt }

    func body(_ cohortID: String, _ ids: ArraySlice<Identifier>) -> [UInt8] {
        let list = ids.map { "\"\($0.text)\"" }.joined(separator: ",")
        return Array(
            #"{"client_secret":"\#(key)","cohort_id":"\#(cohortID)","cohort_changes":[{"user_ids":[\#(list)]}]}"#.utf8)
    }

    func send(_ body: [UInt8]) async throws {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(body)
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        _ = try await response.body.collect(upTo: 1 << 20)
        guard response.status == .created else { throw Refused(status: response.status.code) }
    }
}

/// The latency of requests, in milliseconds.
private actor Times {
    private var times: [Double] = []

    func add(_ time: Double) { times.append(time) }

    func quantile(_ part: Double) -> Double {
        guard !times.isEmpty else { return 0 }
        return times.sorted()[min(times.count - 1, Int(Double(times.count) * part))]
    }
}
