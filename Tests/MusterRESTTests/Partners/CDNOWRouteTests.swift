import MusterClient
import MusterProtocol
import MusterTestSupport
import NIOConcurrencyHelpers
import TestSupport
import Testing

/// Real sets through the partner route, as connectors send them: side by side, again, and cut off in the middle.
@Suite(.enabled(if: CDNOW.isHere, "CDNOW_master.txt is not here; MUSTER_CDNOW can name it"))
struct CDNOWRouteTests {
    @Test func eightSendersWithRepeatsAndAbortsLeaveTheSetsExact() async throws {
        let data = try CDNOW()
        let seed = TestSeed("CDNOW over REST")
        // Fewer than there are senders, so that some are turned away and send again.
        try await withMuster(maxInFlightPerKey: 3) { muster in
            try await muster.register(data.everyone.sorted())
            let connector = try await Connector(muster)
            var random = seed.random
            for (cohortID, members) in [("repeat", data.repeat), ("active", data.active), ("big", data.big)] {
                let nonMembers = Array(
                    data.everyone.subtracting(members).sorted().shuffled(using: &random).prefix(2_000))
                let work = Self.requests(cohortID, adding: members, removing: nonMembers, &random)
                try await muster.importCohort(Identifier(cohortID), adding: IdentifierList(nonMembers))
                try await send(work.shuffled(using: &random), over: connector)
                try await expect(cohortID, members, nonMembers.count, muster)
            }
            #expect(Self.repeats.withLockedValue(\.self) > 0)
        }
    }

    /// Requests that were sent again because the server said so.
    private static let repeats = NIOLockedValueBox(0)

    /// How a request is sent beside the one time that counts.
    private enum Manner: CaseIterable, Sendable {
        case once, twiceUnderAKey, twiceWithoutAKey, cutInTheBody, cutBeforeTheAnswer
    }

    private struct Shipment: Sendable {
        let cohortID: String
        let change: String
        let key: String
        let manner: Manner
    }

    private static func requests(
        _ cohortID: String, adding members: Set<Identifier>, removing nonMembers: [Identifier],
        _ random: inout SeededRandom
    ) -> [Shipment] {
        var changes: [String] = []
        for (ids, removes) in [(members.sorted().shuffled(using: &random), false), (nonMembers, true)] {
            for start in stride(from: 0, to: ids.count, by: 1_000) {
                let list = ids[start..<min(start + 1_000, ids.count)].map { "\"\($0.text)\"" }.joined(separator: ",")
                changes.append(#"{"user_ids":[\#(list)],"should_remove":\#(removes)}"#)
            }
        }
        return changes.enumerated().map { number, change in
            Shipment(
                cohortID: cohortID, change: change, key: "\(cohortID)-\(number)",
                manner: Manner.allCases[number % Manner.allCases.count])
        }
    }

    /// Eight at a time.
    private func send(_ work: [Shipment], over connector: Connector) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, shipment) in work.enumerated() {
                if index >= 8 { try await group.next() }
                group.addTask { try await Self.send(shipment, over: connector) }
            }
            try await group.waitForAll()
        }
    }

    private static func send(_ shipment: Shipment, over connector: Connector) async throws {
        switch shipment.manner {
        case .once: _ = try await deliver(shipment, key: nil, connector)
        case .twiceWithoutAKey:
            _ = try await deliver(shipment, key: nil, connector)
            let again = try await deliver(shipment, key: nil, connector)
            #expect(again.imported?.receipt.added == 0 && again.imported?.receipt.removed == 0)
        case .twiceUnderAKey:
            async let twin = deliver(shipment, key: shipment.key, connector)
            let first = try await deliver(shipment, key: shipment.key, connector)
            #expect(try await twin.text == first.text)
        case .cutInTheBody: try await cut(shipment, at: 0.5, connector)
        case .cutBeforeTheAnswer: try await cut(shipment, at: 1, connector)
        }
    }

    /// Sends until it is taken, as connectors do: 423, 429 and 5xx are sent again.
    private static func deliver(
        _ shipment: Shipment, key: String?, _ connector: Connector
    ) async throws -> RESTReply {
        for _ in 0..<100 {
            let reply = try await connector.change(shipment.cohortID, shipment.change, idempotencyKey: key)
            if reply.status == 201 { return reply }
            guard [423, 429].contains(reply.status) || reply.status >= 500 else {
                throw RPCError(.internal, "the status is \(reply.status)")
            }
            repeats.withLockedValue { $0 += 1 }
            try await Task.sleep(for: .milliseconds(Int.random(in: 5...50)))
        }
        throw TookTooLong()
    }

    /// Sends a part of the request, hangs up without waiting for an answer, and delivers it then.
    private static func cut(_ shipment: Shipment, at part: Double, _ connector: Connector) async throws {
        let body =
            #"{"client_secret":"\#(connector.key)","cohort_id":"\#(shipment.cohortID)","cohort_changes":[\#(shipment.change)]}"#
        let head =
            "POST /partners/tinyclues/cohorts/users HTTP/1.1\r\nhost: localhost\r\nidempotency-key: \(shipment.key)\r\n"
            + "content-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n"
        let connection = try await RawConnection(port: try await connector.server.restPort())
        try await connection.send(Array(head.utf8) + body.utf8.prefix(Int(Double(body.utf8.count) * part)))
        if part == 1 { try await Task.sleep(for: .milliseconds(Int.random(in: 0...20))) }
        await connection.close()
        _ = try await deliver(shipment, key: shipment.key, connector)
    }

    /// The members one by one, and what the receipts of all imports add up to.
    private func expect(
        _ cohortID: String, _ members: Set<Identifier>, _ nonMembers: Int, _ muster: MusterUnderTest
    ) async throws {
        let found = try await muster.members(of: .cohort("tinyclues", Identifier(cohortID)), pageSize: 5_000)
        #expect(Set(found) == members && found.count == members.count, "members of \(cohortID)")
        var imports: [ImportInfo] = []
        for try await one in muster.client.entries(
            of: ListImports(partner: "tinyclues", cohortID: Identifier(cohortID)))
        {
            imports.append(one)
        }
        #expect(imports.map(\.version).reversed() == Array(1...Int64(imports.count)))
        #expect(imports.reduce(0) { $0 + $1.receipt.added } == members.count + nonMembers)
        #expect(imports.reduce(0) { $0 + $1.receipt.removed } == nonMembers)
    }
}
