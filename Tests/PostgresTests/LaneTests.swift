import Glibc
import Locking
import Postgres
import Testing

/// Which work runs concurrently, on real connections.
@Suite struct LaneTests {
    /// Keeps connections busy with this many writes while `body` runs.
    private func whileWriting(_ count: Int, _ database: Database, _ body: () async throws -> Void) async throws {
        let writes = (0..<count).map { number in
            Task {
                try await database.transaction(for: Caller(group: 1, member: Int64(number)), deadline: soon) {
                    try $0.execute("SELECT pg_sleep(20)")
                }
            }
        }
        try await untilTrue { database.statistics.running + database.statistics.waiting == count }
        let outcome: (any Error)?
        do {
            try await body()
            outcome = nil
        } catch { outcome = error }
        for write in writes { write.cancel() }
        for write in writes { _ = await write.result }
        if let outcome { throw outcome }
    }

    private func one(_ database: Database, isUrgent: Bool = false, within: Duration) async throws {
        _ = try await database.read(for: Caller(group: 2), isUrgent: isUrgent, deadline: .now + within, "SELECT 1") {
            _ in
        }
    }

    @Test func urgentWorkDoesNotWaitForOtherWork() async throws {
        try await withDatabase { settings in
            settings.connections = 1
            settings.urgentConnections = 1
        } _: { database in
            try await one(database, isUrgent: true, within: .seconds(10))
            try await whileWriting(3, database) {
                for _ in 0..<10 { try await one(database, isUrgent: true, within: .seconds(5)) }
                let error = try await failure { try await one(database, within: .milliseconds(200)) }
                #expect(error.kind == .deadlineExceeded)
                #expect(database.statistics.running == 1)
            }
        }
    }

    /// A flood of questions that need no key must not take all connections.
    @Test func urgentWorkLeavesConnectionsForOtherWork() async throws {
        try await withDatabase { settings in
            settings.connections = 4
            settings.urgentConnections = 1
        } _: { database in
            let flood = (0..<10).map { _ in
                Task {
                    _ = try await database.read(isUrgent: true, deadline: soon, "SELECT pg_sleep(20)") { _ in }
                }
            }
            try await untilTrue {
                let now = database.statistics
                return now.connected == 5 && now.running >= 2 && now.running + now.waiting == 10
            }
            #expect(database.statistics.running <= 3)
            for _ in 0..<10 { try await one(database, within: .seconds(5)) }
            for task in flood { task.cancel() }
            for task in flood { _ = await task.result }
        }
    }

    /// Background work has no client that would repeat it.
    @Test func startedWorkIsNeverRejectedByAFullQueue() async throws {
        try await withDatabase { settings in
            settings.connections = 1
            settings.queueCapacity = 1
        } _: { database in
            try await whileWriting(1, database) {
                try await untilTrue { database.statistics.running == 1 }
                let waiting = Task {
                    try await database.transaction(for: Caller(group: 1), deadline: soon) { try $0.execute("SELECT 1") }
                }
                try await untilTrue { database.statistics.waiting == 1 }
                let background = Task {
                    try await database.transaction(for: Caller(group: 1, hasBegun: true), deadline: .now + .seconds(1))
                    {
                        try $0.execute("SELECT 1")
                    }
                }
                let refused = try await failure {
                    try await database.transaction(for: Caller(group: 1), deadline: soon) { try $0.execute("SELECT 1") }
                }
                #expect(refused.kind == .overloaded)
                // It waits, and its deadline passes before its turn.
                let late = try await failure { try await background.value }
                #expect(late.kind == .deadlineExceeded)
                waiting.cancel()
                _ = await waiting.result
            }
        }
    }

    @Test func writesLeaveHalfOfTheConnectionsToReads() async throws {
        try await withDatabase {
            $0.connections = 4
        } _: { database in
            try await whileWriting(10, database) {
                try await untilTrue { database.statistics.running == 2 }
                #expect(database.statistics.waiting == 8)
                for _ in 0..<10 { try await one(database, within: .seconds(5)) }
            }
        }
    }

    /// Eight units of a neighbour wait; ours comes last and is the next.
    @Test func aNeighbourWaitsForOneJob() async throws {
        try await withDatabase {
            $0.connections = 1
        } _: { database in
            let (order, gate) = (Locked<[Int64]>([]), Counter())
            func unit(of group: Int64) -> Task<Void, any Error> {
                Task {
                    try await database.transaction(for: Caller(group: group), deadline: soon) { connection in
                        try connection.execute("SELECT 1")
                        while gate.value == 0 { usleep(1_000) }
                        order.withLock { $0.append(group) }
                    }
                }
            }
            var units = [unit(of: 1)]
            try await untilTrue { database.statistics.running == 1 }
            for count in 1...9 {
                units.append(unit(of: count == 9 ? 2 : 1))
                try await untilTrue { database.statistics.waiting == count }
            }
            gate.add()
            for unit in units { try await unit.value }
            // Either our group or the other may be next when the first unit ends.
            #expect(order.withLock { $0.prefix(3) }.contains(2), "\(order.withLock { $0 })")
        }
    }
}
