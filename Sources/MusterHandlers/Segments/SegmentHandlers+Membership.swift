public import MusterProtocol
public import MusterStore

/// The calls that backend services send for each of their own requests. They are answered where they arrive.
extension SegmentHandlers {
    /// `segments.check`
    public func checkUsers(
        _ call: CheckSegments, _ context: CallContext, _ loop: any AnswerLoop,
        _ reply: @escaping @Sendable (Result<CheckSegments.Reply, any Error>) -> Void
    ) {
        do {
            try check(call.users.count, of: "users", atMost: Limits.checkUsers)
            try check(call.segments.count, of: "segments", atMost: Limits.checkSegments)
            for (index, id) in call.segments.enumerated() where id.problem(atMost: Limits.objectIDBytes) != nil {
                try check(objectID: id, "segments[\(index)]")
            }
            store.in(context.scope).audience.membership(
                of: call.users, in: .segments(call.segments),
                maxStaleness: try context.staleness(call.maxStalenessMilliseconds), on: loop
            ) { membership in
                reply(membership.map { CheckSegments.Reply($0, to: call) }.mapError { $0.naming(call.segments) })
            }
        } catch {
            reply(.failure(error))
        }
    }

    /// `segments.of`
    public func of(
        _ call: SegmentsOfUser, _ context: CallContext, _ loop: any AnswerLoop,
        _ reply: @escaping @Sendable (Result<SegmentsOfUser.Reply, any Error>) -> Void
    ) {
        do {
            let maxStaleness = try context.staleness(call.maxStalenessMilliseconds)
            tokens.get(for: context, on: loop) { [store] tokens in
                switch tokens {
                case .success(let tokens):
                    store.in(context.scope).audience.membership(
                        of: [call.user], in: .everySegment, maxStaleness: maxStaleness, on: loop
                    ) { membership in
                        reply(Result { try Self.page(of: call, try membership.get(), tokens) })
                    }
                case .failure(let error): reply(.failure(error))
                }
            }
        } catch {
            reply(.failure(error))
        }
    }

    private static func page(
        of call: SegmentsOfUser, _ membership: Membership, _ tokens: PageTokens
    ) throws -> SegmentsOfUser.Reply {
        guard let user = membership.users.first ?? nil else {
            throw RPCError(.notFound, .unknownUser, field: "user", "there is no such user")
        }
        let limit = try call.limit()
        let after = try tokens.position(SegmentReference.self, of: call)?.segmentID
        var found: [NamedSegment] = []
        for (id, isIn) in zip(membership.segments, user) where isIn {
            if let after, id <= after { continue }
            guard found.count <= limit else { break }
            found.append(NamedSegment(segmentID: id, name: membership.names[id] ?? id.text))
        }
        let (segments, goesOn) = try found.page(limit, maxBytes: \.maxBytes)
        let next = goesOn ? segments.last.map { SegmentReference(segmentID: $0.segmentID) } : nil
        return .init(
            segments: segments, versions: call.withVersions == true ? membership.versions : nil,
            nextPageToken: try next.map { try tokens.token($0, of: call) })
    }

    /// `segments.size` in the current state, without marginals and regions.
    public func size(
        _ call: SizeSegment, _ context: CallContext, _ loop: any AnswerLoop,
        _ reply: @escaping @Sendable (Result<SizeSegment.Reply, any Error>) -> Void
    ) {
        do {
            let question = Question(try subject(call.segmentID, call.filter))
            let maxStaleness = try context.staleness(call.maxStalenessMilliseconds)
            let withVersions = call.withVersions == true
            store.in(context.scope).audience.size(
                of: question, withNodes: call.withNodes ?? false, maxStaleness: maxStaleness, on: loop
            ) { size in reply(size.map { $0.with(versions: withVersions) }) }
        } catch {
            reply(.failure(error))
        }
    }
}

extension NamedSegment {
    /// An upper bound of its JSON's bytes: an escape has six.
    fileprivate var maxBytes: Int { 6 * (segmentID.bytes.count + name.utf8.count) + 32 }
}

extension SizeSegment.Reply {
    /// The same without versions, unless they are asked for.
    func with(versions isWanted: Bool) -> Self {
        var reply = self
        if !isWanted { reply.versions = nil }
        return reply
    }
}

extension CheckSegments.Reply {
    fileprivate init(_ membership: Membership, to call: CheckSegments) {
        let nowhere = [Bool](repeating: false, count: call.segments.count)
        self.init(
            results: membership.users.map { user in
                user.map { CheckResult(.known, in: $0) } ?? CheckResult(.unknown, in: nowhere)
            },
            versions: call.withVersions == true ? membership.versions : nil)
    }
}

extension Error {
    /// The error with the field of an unknown segment.
    fileprivate func naming(_ segments: [Identifier]) -> any Error {
        guard case FilterFault.unknownSegment(let id, _)? = self as? FilterFault else { return self }
        let index = segments.firstIndex(of: id)
        return FilterFault.unknownSegment(id, field: index.map { "segments[\($0)]" } ?? "segments")
    }
}
