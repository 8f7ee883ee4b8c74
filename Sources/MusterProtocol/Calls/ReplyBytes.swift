/// Estimates of reply sizes, to reserve memory before a reply is made. They bound typical replies; escaped identifiers
/// and users with many attributes can exceed them. The actual size of a reply is counted afterwards.
private enum ReplyBytes {
    /// One identifier of 1,024 bytes with its surrounding JSON.
    static let identifier = 1_280
    /// A name, an id, a filter and some times.
    static let object = 4_096
    /// A user with attributes.
    static let user = 128 << 10
    /// The outcome of one entry of a request.
    static let outcome = 128

    static func page(_ size: Int?, of entry: Int) -> Int {
        min(max(size ?? Limits.defaultPageSize.value, 1), Limits.maxPageSize.value) * entry
    }
}

extension Call {
    public var maxReplyBytes: Int { 0 }
}

extension ListSegmentMembers {
    public var maxReplyBytes: Int {
        allIdentifiers == true ? Limits.frame.value : ReplyBytes.page(sample ?? pageSize, of: ReplyBytes.identifier)
    }
}

extension DiffSegments {
    public var maxReplyBytes: Int {
        allIdentifiers == true ? Limits.frame.value : ReplyBytes.page(pageSize, of: ReplyBytes.identifier)
    }
}

extension ExplainSegment {
    public var maxReplyBytes: Int { ReplyBytes.user }
}

extension ListCohortMembers {
    public var maxReplyBytes: Int {
        allIdentifiers == true ? Limits.frame.value : ReplyBytes.page(pageSize, of: ReplyBytes.identifier)
    }
}

extension DiffCohort {
    public var maxReplyBytes: Int { ReplyBytes.page(pageSize, of: ReplyBytes.identifier) }
}

extension SegmentsOfUser {
    public var maxReplyBytes: Int { ReplyBytes.page(pageSize, of: 1_024) }
}

extension ListImports {
    public var maxReplyBytes: Int { ReplyBytes.page(pageSize, of: ReplyBytes.object) }
}

extension ListCohorts {
    public var maxReplyBytes: Int { ReplyBytes.page(pageSize, of: ReplyBytes.object) }
}

extension ListPartners {
    public var maxReplyBytes: Int { ReplyBytes.page(pageSize, of: ReplyBytes.object) }
}

extension ListSegments {
    public var maxReplyBytes: Int { ReplyBytes.page(pageSize, of: ReplyBytes.object) }
}

extension ListKeys {
    public var maxReplyBytes: Int { ReplyBytes.page(pageSize, of: ReplyBytes.object) }
}

extension GetUser {
    public var maxReplyBytes: Int { ReplyBytes.user }
}

extension ExportUsers {
    public var maxReplyBytes: Int { users.count * ReplyBytes.user }
}

extension CheckSegments {
    public var maxReplyBytes: Int { users.count * (segments.count * 6 + 32) }
}

extension UpsertUsers {
    public var maxReplyBytes: Int { users.count * ReplyBytes.outcome }
}

extension TrackUsers {
    public var maxReplyBytes: Int {
        ((attributes?.count ?? 0) + (events?.count ?? 0) + (purchases?.count ?? 0)) * ReplyBytes.outcome
    }
}

extension GetInfo {
    public var maxReplyBytes: Int { withMethods == true ? ReplyBytes.user : 0 }
}
