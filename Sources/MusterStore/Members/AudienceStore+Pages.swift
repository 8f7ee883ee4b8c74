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
}

extension AudienceStore {
    /// The first page of the users that match a question, now or as of `versions`.
    public func firstPage(of question: Question, at versions: Versions?, shape: PageShape) async throws -> ListingPage {
        if let versions {
            let past = try await members(of: question, at: versions, sets: nil)
            return try await page(of: past, after: nil, shape)
        }
        let reading = try await reading(of: question)
        let members = reading.evaluations.first?.members() ?? []
        let past = PastMembers(
            members: members, versions: reading.versions, sets: sets(of: reading.plan, in: reading.look),
            tags: reading.tags)
        guard !reading.plan.scope.hasHistory else {
            keep(past, of: question)
            return try await page(of: past, after: nil, shape)
        }
        var page = try await page(of: past, after: nil, shape)
        if let after = page.next?.after {
            page.next = ListingPosition(
                versions: past.versions, stored: try await storeListing(members),
                after: after)
        }
        return page
    }

    /// The page at the position that an earlier page returned.
    public func page(
        of question: Question, at position: ListingPosition, shape: PageShape
    ) async throws -> ListingPage {
        if let stored = position.stored {
            let (plan, _) = try await currentPlan(of: question)
            try plan.requireDefinitions(of: position.versions)
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
    func members(of question: Question, at versions: Versions, sets: [Int32]?) async throws -> PastMembers {
        let (plan, look) = try await currentPlan(of: question)
        if let path = plan.pathWithoutHistory { throw FilterFault.noHistory(path: path) }
        try plan.requireDefinitions(of: versions)
        let own = self.sets(of: plan, in: look)
        if let sets, sets != own { throw VersionNotKept() }
        var wanted = [(set: SetKey.everyone, version: versions.everyone)]
        for (cohort, set) in zip(plan.scope.cohorts, own) {
            let named = versions.cohorts.first { $0.partner == cohort.partner && $0.cohortID == cohort.cohortID }
            guard let named else { throw FilterFault.versionsIncomplete }
            if let generation = named.generation, generation != set { throw VersionNotKept() }
            wanted.append((set, named.version))
        }
        let tags = try await tags(of: wanted)
        if let kept = derived[.listing(workspace, question, VersionsKey(versions, sets: own, tags: tags))] {
            return PastMembers(members: kept.members, versions: versions, sets: own, tags: tags)
        }
        var states: [MemberSet] = []
        for (place, tag) in zip(wanted, tags) {
            let set = SetKey(workspace: workspace, number: place.set)
            states.append(try await state(of: set, at: place.version, tag: tag).members)
        }
        let members = plan.roots.first.map {
            Evaluation($0, universe: states[0], operands: Array(states.dropFirst())).members()
        }
        let past = PastMembers(members: members ?? [], versions: versions, sets: own, tags: tags)
        keep(past, of: question)
        return past
    }

    /// The plan of a question, with its definitions verified as current and the sets of its cohorts resolved.
    private func currentPlan(of question: Question) async throws -> (Plan, Look) {
        for _ in 0..<Self.maxLooks {
            let plan = try await plan(for: question)
            let look = try await look(LookRequest(scope: plan.scope))
            guard settled(plan, of: question, by: look) else { continue }
            for cohort in plan.scope.cohorts where (look.cohorts[cohort] ?? nil) == nil {
                throw FilterFault.missingCohort(cohort, path: plan.cohortPaths[cohort] ?? "filter")
            }
            return (plan, look)
        }
        throw ChangingTooFast()
    }

    private func sets(of plan: Plan, in look: Look) -> [Int32] { plan.scope.cohorts.map { look.sets[$0] ?? -1 } }

    private func keep(_ past: PastMembers, of question: Question) {
        let versions = VersionsKey(past.versions, sets: past.sets, tags: past.tags)
        derived.put(past.members, at: .none, for: .listing(workspace, question, versions))
    }
}

extension Reading {
    /// The tags of everyone and of the cohorts.
    fileprivate var tags: [Int64?] {
        [look.everyone.at.tag] + plan.scope.cohorts.map { (look.cohorts[$0] ?? nil)?.at.tag }
    }
}

extension Plan {
    /// Throws if a segment's definition isn't the one that these versions name.
    fileprivate func requireDefinitions(of versions: Versions?) throws {
        for segment in scope.segments
        where versions?.segments.first(where: { $0.segmentID == segment.segmentID })?.version != segment.version {
            throw FilterFault.segmentChanged(segment.segmentID)
        }
    }

    /// The path of the first leaf that has no history.
    fileprivate var pathWithoutHistory: String? {
        guard !scope.hasHistory else { return nil }
        let names = ["attribute", "event", "purchase"]
        return paths.compactMap(\.self).first { path in names.contains { path.hasSuffix($0) } } ?? "filter"
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
