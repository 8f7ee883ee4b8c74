public import MusterProtocol
import MusterSets
import MusterUsers

/// The users that match a question as of some versions.
struct PastMembers: Sendable {
    let members: MemberSet
    let versions: Versions
    /// The sets of the cohorts, in the order of `versions.cohorts`.
    let sets: [Int32]
    /// The tags of everyone and of these sets at those versions; nil if the log doesn't have one.
    let tags: [Int64?]
    /// The versions with the set behind each cohort, so that a recreated one isn't taken for it.
    let pinned: Versions
}

extension AudienceStore {
    /// The first page of the users that match a question, now or as of `versions`.
    public func firstPage(of question: Question, at versions: Versions?, shape: PageShape) async throws -> ListingPage {
        if let versions {
            let past = try await members(of: question, at: versions, sets: nil)
            return try await page(of: past, after: nil, shape)
        }
        let proved = try await read(question)
        let past = proved.pastMembers
        guard !proved.plan.hasHistory else {
            keep(past, of: question)
            return try await page(of: past, after: nil, shape)
        }
        var page = try await page(of: past, after: nil, shape)
        if let after = page.next?.after {
            page.next = ListingPosition(
                versions: past.versions, stored: try await storeListing(past.members),
                after: after)
        }
        return page
    }

    /// The page at the position that an earlier page returned.
    public func page(
        of question: Question, at position: ListingPosition, shape: PageShape
    ) async throws -> ListingPage {
        if let stored = position.stored {
            try await currentPlan(of: question).plan.requireDefinitions(of: position.versions)
            let members = try await storedListing(stored)
            var page = try await entries(of: members, after: position.after, shape)
            page.versions = position.versions
            page.next?.stored = stored
            page.next?.versions = position.versions
            return page
        }
        guard let versions = position.versions else { throw ListingExpired() }
        let past = try await members(of: question, at: versions, sets: position.sets)
        return try await page(of: past, after: position.after, shape)
    }

    private func page(of past: PastMembers, after: UInt32?, _ shape: PageShape) async throws -> ListingPage {
        var page = try await entries(of: past.members, after: after, shape)
        page.versions = past.versions
        page.next?.versions = past.versions
        page.next?.sets = past.sets
        return page
    }

    /// One page of a set. It ends early if its members would not fit into a frame.
    func entries(of members: MemberSet, after: UInt32?, _ shape: PageShape) async throws -> ListingPage {
        let numbers = members.users(after: after.map { UserNumber(rawValue: $0) }, limit: shape.size)
        let shown = try await shown(numbers, of: members, allIdentifiers: shape.allIdentifiers)
        var bytes = 0
        let fitting = shown.prefix { entry in
            bytes += entry.member.maxBytes
            return bytes <= Limits.frame.value / 4 * 3
        }
        let last = (fitting.count < shown.count ? fitting.last?.number : numbers.last)?.rawValue
        let ends = fitting.count == shown.count && (last == nil || last == members.max)
        return ListingPage(
            members: fitting.map(\.member),
            size: try await presentCount(of: members),
            next: ends ? nil : ListingPosition(after: last))
    }

    /// The users that match a question as of `versions`. Throws `FilterFault` or `VersionNotKept`.
    ///
    /// - Parameter field: the field of the call that has the versions, for errors.
    func members(
        of question: Question, at versions: Versions, sets: [Int32]?, field: String = "at"
    ) async throws -> PastMembers {
        let proved = try await currentPlan(of: question)
        let plan = proved.plan
        if let path = plan.pathWithoutHistory { throw FilterFault.noHistory(path: path, at: field) }
        try plan.requireDefinitions(of: versions)
        let own = proved.sets
        if let sets, sets != own { throw VersionNotKept() }
        var wanted = [(set: SetKey.everyone, version: versions.everyone)]
        var pinned = versions
        pinned.cohorts = []
        for (cohort, set) in zip(plan.cohorts, own) {
            let named = versions.cohorts.first { $0.partner == cohort.partner && $0.cohortID == cohort.cohortID }
            guard let named else { throw FilterFault.versionsIncomplete(at: field) }
            if let generation = named.generation, generation != set { throw VersionNotKept() }
            wanted.append((set, named.version))
            pinned.cohorts.append(
                CohortVersion(
                    partner: named.partner, cohortID: named.cohortID, version: named.version, generation: set))
        }
        let tags = try await tags(of: wanted)
        if let kept = derived[.listing(workspace, question, VersionsKey(versions, sets: own, tags: tags))] {
            return PastMembers(members: kept.members, versions: versions, sets: own, tags: tags, pinned: pinned)
        }
        var states: [MemberSet] = []
        for (place, tag) in zip(wanted, tags) {
            let set = SetKey(workspace: workspace, number: place.set)
            states.append(try await state(of: set, at: place.version, tag: tag).members)
        }
        let members = plan.roots.first.map {
            Evaluation($0, universe: states[0], operands: Array(states.dropFirst())).members()
        }
        let past = PastMembers(members: members ?? [], versions: versions, sets: own, tags: tags, pinned: pinned)
        keep(past, of: question)
        return past
    }

    /// The plan of a question over the current definitions, with the sets of its cohorts.
    func currentPlan(of question: Question) async throws -> ProvedRead {
        try await read(question, needsSets: false)
    }

    private func keep(_ past: PastMembers, of question: Question) {
        let versions = VersionsKey(past.versions, sets: past.sets, tags: past.tags)
        derived.put(past.members, at: .none, for: .listing(workspace, question, versions))
    }
}

extension ProvedRead {
    /// The users of the first filter, with what is needed to find them again.
    var pastMembers: PastMembers {
        PastMembers(
            members: evaluations.first?.members() ?? [], versions: versions, sets: sets, tags: tags, pinned: versions)
    }

    /// The sets of the cohorts, in the plan's order.
    fileprivate var sets: [Int32] { plan.cohorts.map { state.cohorts[$0]?.number ?? -1 } }

    /// The tags of everyone and of the cohorts.
    fileprivate var tags: [Int64?] {
        [state.everyone.at.tag] + plan.cohorts.map { state.cohorts[$0]?.state.at.tag }
    }
}

extension QueryPlan {
    /// Throws if a segment's definition isn't the one that these versions name.
    func requireDefinitions(of versions: Versions?) throws {
        for segment in segments
        where versions?.segments.first(where: { $0.segmentID == segment.segmentID })?.version != segment.version {
            throw FilterFault.segmentChanged(segment.segmentID)
        }
    }
}

extension Member {
    /// An upper bound for this member's bytes in a frame: a backslash may escape each byte of an identifier.
    fileprivate var maxBytes: Int {
        let aliasBytes = (aliases ?? []).reduce(0) { $0 + 2 * ($1.label.bytes.count + $1.name.bytes.count) + 40 }
        let deviceBytes = (deviceIDs ?? []).reduce(0) { $0 + 2 * $1.bytes.count + 3 }
        return 60 + 2 * (externalID?.bytes.count ?? 0) + aliasBytes + deviceBytes
    }
}
