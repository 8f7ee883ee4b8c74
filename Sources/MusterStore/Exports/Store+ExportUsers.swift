public import MusterProtocol
import Postgres

extension Store {
    /// The users that references find, each once and in the order of the first that finds her, and the references that find nobody.
    public func export(
        _ references: [UserReference], shape: ExportShape, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> ExportUsers.Reply {
        try await transaction(in: workspace, deadline: deadline) { connection in
            let found = try connection.find(references, in: workspace)
            var seen: Set<Int32> = []
            let numbers = found.compactMap(\.self).filter { seen.insert($0).inserted }.map(UInt32.init(clamping:))
            let users = try connection.exportedUsers(numbers, shape, in: workspace)
            return ExportUsers.Reply(
                users: numbers.compactMap { users[$0] },
                unknown: zip(references, found).compactMap { $1 == nil ? $0 : nil })
        }
    }
}
