public import MusterProtocol
import MusterStore

extension CohortHandlers {
    /// `cohorts.members`
    public func members(_ call: ListCohortMembers, _ context: CallContext) async throws -> ListCohortMembers.Reply {
        let cohort = try reference(call.partner, call.cohortID)
        let shape = PageShape(size: try call.limit(), allIdentifiers: call.allIdentifiers ?? false)
        let tokens = try await PageTokens(store, context)
        let position = try tokens.position(CohortPosition.self, of: call)
        let page = try await store.in(context.scope).audience.members(
            of: cohort, at: position?.atVersion ?? call.atVersion, position: position, shape: shape)
        guard let page else { throw unknownCohort() }
        let token = try page.next.map { try tokens.token($0, of: call) }
        return .init(members: page.members, version: page.atVersion, size: page.size, nextPageToken: token)
    }

    /// `cohorts.diff`
    public func diff(_ call: DiffCohort, _ context: CallContext) async throws -> DiffCohort.Reply {
        let cohort = try reference(call.partner, call.cohortID)
        if let at = call.atVersion, at < call.fromVersion {
            throw RPCError.invalid("at_version", .conflict, "must not be before from_version")
        }
        let shape = PageShape(size: try call.limit(), allIdentifiers: false)
        let tokens = try await PageTokens(store, context)
        let position = try tokens.position(CohortPosition.self, of: call)
        let page = try await store.in(context.scope).audience.difference(
            of: cohort, from: call.fromVersion, to: position?.atVersion ?? call.atVersion, position: position,
            shape: shape)
        guard let page else { throw unknownCohort() }
        let token = try page.next.map { try tokens.token($0, of: call) }
        return .init(
            entered: page.members, left: page.left, fromVersion: call.fromVersion, atVersion: page.atVersion,
            nextPageToken: token)
    }
}
