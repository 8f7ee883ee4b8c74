import FoundationEssentials
public import MusterProtocol
public import MusterStore

/// Handles segments (saved filters), their sizes and their members.
public struct SegmentHandlers: Sendable {
    let store: Store
    let tokens: KnownPageTokens

    /// Serves the segments of this store.
    public init(store: Store) {
        self.store = store
        tokens = KnownPageTokens(store: store)
    }

    /// `segments.create`
    public func create(_ call: CreateSegment, _ context: CallContext) async throws -> CreateSegment.Reply {
        if let id = call.segmentID { try check(objectID: id, "segment_id") }
        try check(name: call.name, "name")
        try FilterRules.check(call.filter)
        let id = call.segmentID ?? Identifier(UUID().uuidString.lowercased())
        let created = try await store.in(context.scope).segments.create(
            id, name: call.name, filter: call.filter, request: try IdempotencyKey(call))
        guard let created else {
            throw RPCError(
                .alreadyExists, .alreadyExists, field: "segment_id",
                "there is already a segment of this segment_id; segments.update changes it")
        }
        return created
    }

    /// `segments.update`
    public func update(_ call: UpdateSegment, _ context: CallContext) async throws -> UpdateSegment.Reply {
        try check(objectID: call.segmentID, "segment_id")
        if let name = call.name { try check(name: name, "name") }
        if let filter = call.filter { try FilterRules.check(filter) }
        let update = try await store.in(context.scope).segments.update(
            call.segmentID, name: call.name, filter: call.filter, ifVersion: call.ifVersion)
        switch update {
        case .updated(let version): return .init(segmentID: call.segmentID, version: version)
        case .unknown: throw FilterFault.unknownSegment(call.segmentID)
        case .otherVersion(let version):
            throw RPCError(
                .failedPrecondition, .changed, field: "if_version",
                "segment \"\(call.segmentID.text)\" has version \(version); read it again with segments.get",
                details: ["version": .integer(version)])
        }
    }

    /// `segments.get`
    public func get(_ call: GetSegment, _ context: CallContext) async throws -> SegmentInfo {
        try check(objectID: call.segmentID, "segment_id")
        let found = try await store.in(context.scope).segments.get(call.segmentID)
        guard let found else { throw FilterFault.unknownSegment(call.segmentID) }
        return found
    }

    /// `segments.list`
    public func list(_ call: ListSegments, _ context: CallContext) async throws -> ListSegments.Reply {
        let (segments, next) = try await PageTokens(store, context).page(of: call) {
            SegmentPosition($0)
        } find: { after, limit in
            try await store.in(context.scope).segments.list(
                nameContains: call.nameContains, order: call.order ?? .segmentID, after: after,
                skip: after == nil ? try call.skipped() : 0, limit: limit)
        }
        return .init(segments: segments, nextPageToken: next)
    }

    /// `segments.delete`
    public func delete(_ call: DeleteSegment, _ context: CallContext) async throws -> Done {
        try check(objectID: call.segmentID, "segment_id")
        let deletion = try await store.in(context.scope).segments.delete(call.segmentID)
        guard deletion != .unknown else { throw FilterFault.unknownSegment(call.segmentID) }
        try deletion.requireUnused("segment")
        return Done()
    }

    /// `segments.members`
    public func members(_ call: ListSegmentMembers, _ context: CallContext) async throws -> ListSegmentMembers.Reply {
        if let count = call.sample { return try await sample(count, of: call, context) }
        guard call.seed == nil else {
            throw RPCError(.invalidArgument, .conflict, field: "seed", "seed needs sample: leave it out, or add that")
        }
        let question = Question(try subject(call.segmentID, call.filter))
        let shape = PageShape(size: try call.limit(), allIdentifiers: call.allIdentifiers ?? false)
        let tokens = try await PageTokens(store, context)
        let page: ListingPage
        if let position = try tokens.position(ListingPosition.self, of: call) {
            page = try await VersionNotKept.naming("page_token") {
                try await store.in(context.scope).audience.page(of: question, at: position, shape: shape)
            }
        } else {
            page = try await VersionNotKept.naming("at") {
                try await store.in(context.scope).audience.firstPage(of: question, at: call.at, shape: shape)
            }
        }
        let token = try page.next.map { try tokens.token($0, of: call) }
        return .init(
            members: page.members, size: page.size, versions: call.withVersions == true ? page.versions : nil,
            nextPageToken: token)
    }

    /// `segments.data_series`
    public func dataSeries(_ call: SegmentDataSeries, _ context: CallContext) async throws -> SegmentDataSeries.Reply {
        try check(objectID: call.segmentID, "segment_id")
        guard (1...Limits.dataSeriesDays.value).contains(call.length) else {
            let problem = "must be a number of days from 1 to \(Limits.dataSeriesDays.value)"
            throw call.length < 1
                ? RPCError.invalid("length", .outOfRange, problem)
                : RPCError.over(Limits.dataSeriesDays, "length", .outOfRange, problem)
        }
        let end = call.endingAt ?? .now
        guard end.microseconds >= 0 else {
            throw RPCError.invalid("ending_at", .outOfRange, "must not be before 1970")
        }
        let sizes = try await store.in(context.scope).segments.dailySizes(
            of: call.segmentID, endingAt: end, length: call.length)
        guard let sizes else { throw FilterFault.unknownSegment(call.segmentID) }
        return .init(data: sizes)
    }
}

extension ListSegments {
    /// The number of entries to skip before the first page.
    fileprivate func skipped() throws -> Int {
        guard let skip else { return 0 }
        guard skip >= 0 else { throw RPCError.invalid("skip", .outOfRange, "must not be negative") }
        return skip
    }
}
