public import MusterProtocol
import MusterStore

// Questions about audiences beside size, members and check.
extension SegmentHandlers {
    /// `segments.size` in an earlier state, which PostgreSQL must read, or with marginals or regions, which take long.
    public func heavySize(_ call: SizeSegment, _ context: CallContext) async throws -> SizeSegment.Reply {
        let subject = try subject(call.segmentID, call.filter)
        let maxStaleness = try context.staleness(call.maxStalenessMilliseconds)
        let audience = store.in(context.scope).audience
        let reply: SizeSegment.Reply
        if let versions = call.at {
            try call.requireSizeAlone()
            reply = try await VersionNotKept.naming("at") {
                try await audience.size(of: Question(subject), at: versions, maxStaleness: maxStaleness)
            }
        } else {
            reply = try await audience.size(
                of: subject, withNodes: call.withNodes ?? false, withMarginals: call.withMarginals ?? false,
                regions: try regions(of: call), maxStaleness: maxStaleness)
        }
        return reply.with(versions: call.withVersions == true)
    }

    /// `segments.explain`
    public func explain(_ call: ExplainSegment, _ context: CallContext) async throws -> ExplainSegment.Reply {
        let subject = try subject(call.segmentID, call.filter)
        try check(call.user, "user")
        let reply = try await store.in(context.scope).audience.explanation(
            of: call.user, in: .several([subject]), withValues: context.session.allows(GetUser.method))
        guard var reply else {
            throw RPCError(.notFound, .unknownUser, field: "user", "there is no such user")
        }
        if call.withVersions != true { reply.versions = nil }
        return reply
    }

    /// `segments.diff`
    public func diff(_ call: DiffSegments, _ context: CallContext) async throws -> DiffSegments.Reply {
        let (from, to) = (try side(call.from, "from"), try side(call.to, "to"))
        let list = call.list ?? .entered
        let shape = PageShape(size: try call.limit(), allIdentifiers: call.allIdentifiers ?? false)
        let tokens = try await PageTokens(store, context)
        let audience = store.in(context.scope).audience
        let page: DifferencePage
        if let position = try tokens.position(DifferencePosition.self, of: call) {
            page = try await VersionNotKept.naming("page_token") {
                try await audience.difference(from: from, to: to, list: list, at: position, shape: shape)
            }
        } else {
            page = try await audience.difference(from: from, to: to, list: list, shape: shape)
        }
        let withVersions = call.withVersions == true
        return .init(
            entered: page.counts.entered, left: page.counts.left, stayed: page.counts.stayed, members: page.members,
            fromVersions: withVersions ? page.from : nil, toVersions: withVersions ? page.to : nil,
            nextPageToken: try page.next.map { try tokens.token($0, of: call) })
    }

    /// `segments.members` with `sample`
    func sample(
        _ count: Int, of call: ListSegmentMembers, _ context: CallContext
    ) async throws -> ListSegmentMembers.Reply {
        let question = Question(try subject(call.segmentID, call.filter))
        guard (1...Limits.sampleUsers.value).contains(count) else {
            let problem = "must be a number of users from 1 to \(Limits.sampleUsers.value)"
            throw count < 1
                ? RPCError.invalid("sample", .outOfRange, problem)
                : RPCError.over(Limits.sampleUsers, "sample", .outOfRange, problem)
        }
        for (field, isThere) in [("page_size", call.pageSize != nil), ("page_token", call.pageToken != nil)]
        where isThere {
            throw RPCError(
                .invalidArgument, .conflict, field: field,
                "\(field) and sample exclude each other: a sample has no pages")
        }
        let seed = call.seed ?? .random(in: 0..<1 << 53)
        let drawn = try await VersionNotKept.naming("at") {
            try await store.in(context.scope).audience.sample(
                count, seed: seed, of: question, at: call.at, allIdentifiers: call.allIdentifiers ?? false)
        }
        return .init(
            members: drawn.members, size: drawn.size, seed: seed,
            versions: call.withVersions == true ? drawn.versions : nil)
    }

    /// The filters of a call that divide the users of another one.
    func regions(of call: SizeSegment) throws -> [QuestionPart] {
        guard let filters = call.regions else { return [] }
        guard !filters.isEmpty else { throw RPCError.invalid("regions", .empty, "is empty: leave it out") }
        try check(filters.count, "filters", of: "regions", atMost: Limits.sizeRegions)
        return try filters.enumerated().map { index, filter in
            let field = "regions[\(index)]"
            try FilterRules.check(filter, field: field)
            return QuestionPart(.filter(filter), field: field)
        }
    }

    /// The segment or filter that a call is about.
    ///
    /// - Parameter parent: the field of the call that has both, with its dot; empty: the call itself.
    func subject(_ id: Identifier?, _ filter: Filter?, in parent: String = "") throws -> QuestionPart {
        let (segmentField, filterField) = ("\(parent)segment_id", "\(parent)filter")
        switch (id, filter) {
        case (let id?, nil):
            try check(objectID: id, segmentField)
            return QuestionPart(.segment(id), field: segmentField)
        case (nil, let filter?):
            try FilterRules.check(filter, field: filterField)
            return QuestionPart(.filter(filter), field: filterField)
        case (nil, nil): throw eitherOf(segmentField, filterField, .missing)
        case (_?, _?): throw eitherOf(segmentField, filterField, .conflict)
        }
    }

    private func eitherOf(_ segmentField: String, _ filterField: String, _ reason: RefusalReason) -> RPCError {
        RPCError(.invalidArgument, reason, field: segmentField, "name either \(segmentField) or \(filterField)")
    }

    private func side(_ audience: Audience, _ field: String) throws -> DifferenceSide {
        DifferenceSide(
            try subject(audience.segmentID, audience.filter, in: "\(field)."), at: audience.at, atField: "\(field).at")
    }
}

extension Question {
    /// The question about one segment or filter of a call's own.
    init(_ part: QuestionPart) {
        switch part.subject {
        case .segment(let id): self = .segments([id])
        case .filter(let filter): self = .filter(filter)
        }
    }
}

extension SizeSegment {
    /// Whether it asks for no more than memory has: the size in the current state, or that of each node.
    var isOfMemory: Bool { at == nil && withMarginals != true && regions == nil }

    /// Throws if the call asks for more than a size, of an earlier state.
    func requireSizeAlone() throws {
        let others = [
            ("with_nodes", withNodes == true), ("with_marginals", withMarginals == true), ("regions", regions != nil),
        ]
        for (field, isThere) in others where isThere {
            throw RPCError(
                .invalidArgument, .conflict, field: field, "\(field) and at exclude each other: leave one out")
        }
    }
}
