import Testing

@testable import muster_server

/// How many connections a server takes where the limit of open files is low.
struct DescriptorPlanTests {
    private func plan(
        _ limit: Int, _ flags: [String: String] = [:], loops: Int = 6, open: Int = 3
    ) async throws -> DescriptorPlan {
        let settings = try await Settings.load(flags: flags, environment: [:], file: nil)
        return try DescriptorPlan(settings, limit: limit, open: open, ofEventLoops: loops)
    }

    @Test func enoughDescriptorsKeepEverySetting() async throws {
        let plan = try await plan(65_536)
        #expect(!plan.isLowered && plan.connections == 1_024 && plan.surplus == 64)
        #expect(try await self.plan(plan.needed).isLowered == false)
        #expect(try await self.plan(plan.needed - 1).isLowered)
    }

    @Test(arguments: [160, 256, 512, 1_024, 2_048]) func connectionsFitIntoTheLimit(limit: Int) async throws {
        let plan = try await plan(limit)
        #expect(
            plan.isLowered && plan.connections >= DescriptorPlan.leastConnections && (1...64).contains(plan.surplus))
        let others = plan.needed - 2 * (1_024 + 2 * 64)
        #expect(others + 2 * (plan.connections + 2 * plan.surplus) <= limit)
        #expect(others > DescriptorPlan.reserve)
    }

    @Test func moreDatabaseConnectionsLeaveFewerForClients() async throws {
        let (few, many) = try await (plan(1_024), plan(1_024, ["database.connections": "100"]))
        #expect(many.connections < few.connections - 100)
        let loops = try await plan(1_024, loops: 192)
        #expect(loops.connections < few.connections - 50)
        let proxies = try await plan(1_024, ["connections.proxy_protocol": "true"])
        #expect(proxies.connections < few.connections)
        let open = try await plan(1_024, open: 203)
        #expect(open.connections < few.connections - 50)
        let withoutOperators = try await plan(1_024, ["ops.host": ""])
        #expect(withoutOperators.connections > few.connections + 10)
    }

    @Test func noMoreConnectionsAreTakenThanAreSet() async throws {
        let needed = try await plan(65_536, ["connections.max": "10"]).needed
        let plan = try await plan(needed - 1, ["connections.max": "10"])
        #expect(plan.isLowered && plan.connections == 10)
    }

    @Test func aTooLowLimitIsRefusedByName() async throws {
        for (limit, flags) in [(100, [:]), (256, ["database.connections": "64"])] {
            let error = await #expect(throws: SettingsError.self) { try await plan(limit, flags) }
            #expect(error?.description.contains("\(limit)") == true)
            #expect(error?.description.contains("database.connections") == true)
        }
    }
}
