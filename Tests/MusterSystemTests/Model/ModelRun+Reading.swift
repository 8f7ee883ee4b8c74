import MusterClient
import MusterProtocol
import TestSupport

extension ModelRun {
    /// One read of Muster and of the model.
    func compare() async throws {
        let dice = words.random.int(0..<100)
        switch dice {
        case 0..<26: try await compareSize()
        case 26..<42: try await compareMembers()
        case 42..<54: try await compareChecks()
        case 54..<62: try await compareSegmentsOfUser()
        case 62..<70: try await compareCohort()
        case 70..<80: try await compareCohortMembers()
        case 80..<86: try await compareDifference()
        case 86..<90: try await compareReceipts()
        default: try await comparePast()
        }
    }

    private func compareSize() async throws {
        let filter = words.filter(in: model)
        let call = SizeSegment(filter: filter, withNodes: words.random.chance(30), withVersions: true)
        guard namesWhatIsThere(filter) else { return try await expectRefused(call, .invalidArgument) }
        let reply = try await client.send(call)
        try expectEqual(reply.size, model.evaluate(filter).count, "the size of a filter")
        let versions = try reply.versions.unwrapped
        try expectEqual(versions.sorted, model.versions(of: filter).sorted, "the versions of a filter")
        if let nodes = reply.nodes, !model.leaves(of: filter).contains(where: { $0.name == "segment" }) {
            var expected: [NodeSize] = []
            filter.forEachNode { node, path in
                expected.append(NodeSize(path: path, size: model.evaluate(node).count))
            }
            try expectEqual(nodes, expected, "the sizes of nodes")
        }
        if !model.usesComputedLeaf(filter), words.random.chance(50) { past.append((filter, model.now, versions)) }
    }

    private func compareMembers() async throws {
        let filter = words.filter(in: model)
        let expected = namesWhatIsThere(filter) ? model.listed(model.evaluate(filter)) : []
        let pageSize = max(1, expected.count / words.random.int(1..<4) + words.random.int(0..<3))
        var call = ListSegmentMembers(filter: filter, pageSize: pageSize)
        guard namesWhatIsThere(filter) else { return try await expectRefused(call, .invalidArgument) }
        var members: [Member] = []
        repeat {
            let page = try await client.send(call)
            try expectEqual(page.size, expected.count, "the size of a listing")
            members += page.members
            call.pageToken = page.nextPageToken
            // Imports between pages don't change the pages.
            if call.pageToken != nil, words.random.chance(20) {
                let other = words.importCall(words.cohort(), requestID: nil)
                if other.changes.contains(where: { $0.identifierCount > 0 }) {
                    _ = try await client.send(other)
                    _ = model.importCohort(other)
                }
            }
        } while call.pageToken != nil
        try expectEqual(members, expected, "the members of a filter")
    }

    private func compareChecks() async throws {
        let segments = words.random.chance(5) ? [words.segment()] : model.segments.keys.sorted()
        let users = (0..<words.random.int(1..<10)).map { _ in words.reference() }
        let call = CheckSegments(users: users, segments: segments)
        guard segments.allSatisfy({ model.segments[$0] != nil }) else {
            return try await expectRefused(call, .notFound)
        }
        let meant = segments.map { model.evaluate(.segment($0)) }
        let expected = users.map { reference in
            model.user(reference).map { user in CheckResult(.known, in: meant.map { $0.contains(user) }) }
                ?? CheckResult(.unknown, in: meant.map { _ in false })
        }
        try expectEqual(try await client.send(call).results, expected, "a check")
    }

    private func compareSegmentsOfUser() async throws {
        let reference = words.reference()
        let call = SegmentsOfUser(user: reference)
        guard let user = model.user(reference) else { return try await expectRefused(call, .notFound) }
        let expected = model.segments.keys.sorted().filter { model.evaluate(.segment($0)).contains(user) }
        try expectEqual(try await client.send(call).segments.map(\.segmentID), expected, "the segments of a user")
    }

    private func compareCohort() async throws {
        let id = words.cohort()
        let call = GetCohort(partner: "tinyclues", cohortID: id)
        guard let cohort = model.cohorts[id] else { return try await expectRefused(call, .notFound) }
        let reply = try await client.send(call)
        try expectEqual(reply.version, Int64(cohort.version), "the version of a cohort")
        try expectEqual(reply.size, cohort.members.count, "the size of a cohort")
        try expectEqual(reply.name, cohort.name, "the name of a cohort")
    }

    private func compareCohortMembers() async throws {
        guard let (id, cohort) = words.random.pick(sortedCohorts) else { return }
        let version = words.random.chance(30) ? nil : words.random.int(0..<cohort.states.count + 1)
        var call = ListCohortMembers(partner: "tinyclues", cohortID: id, atVersion: version.map(Int64.init))
        if let version, version > cohort.version { return try await expectRefused(call, .outOfRange) }
        let state = cohort.states[version ?? cohort.version]
        let expected = model.listed(model.shown(state))
        call.pageSize = max(1, expected.count / words.random.int(1..<4) + 1)
        var members: [Member] = []
        repeat {
            let page = try await client.send(call)
            try expectEqual(page.version, Int64(version ?? cohort.version), "the version of a listing")
            try expectEqual(page.size, expected.count, "the size at a version")
            members += page.members
            call.pageToken = page.nextPageToken
        } while call.pageToken != nil
        try expectSame(members, expected, "the members at a version")
    }

    private var sortedCohorts: [(Identifier, ModelCohort)] {
        model.cohorts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// In any order: a merged user has the position of its former number.
    private func expectSame(_ muster: [Member], _ model: [Member], _ what: String) throws {
        try expectEqual(muster.count, model.count, "the count of \(what)")
        try expectEqual(Set(muster), Set(model), what)
    }

    private func compareDifference() async throws {
        guard let (id, cohort) = words.random.pick(sortedCohorts) else { return }
        let to = words.random.int(0..<cohort.states.count)
        let from = words.random.int(0..<to + 1)
        let call = DiffCohort(
            partner: "tinyclues", cohortID: id, fromVersion: Int64(from), atVersion: Int64(to),
            pageSize: words.random.int(1..<400))
        var entered: [Member] = []
        var left: [Member] = []
        for try await entry in client.entries(of: call) {
            switch entry {
            case .entered(let member): entered.append(member)
            case .left(let member): left.append(member)
            }
        }
        let (earlier, later) = (cohort.states[from], cohort.states[to])
        try expectSame(entered, model.listed(model.shown(later.subtracting(earlier))), "who entered")
        try expectSame(left, model.listed(model.shown(earlier.subtracting(later))), "who left")
    }

    private func compareReceipts() async throws {
        guard let (id, cohort) = words.random.pick(sortedCohorts) else { return }
        var seen: [Int64] = []
        let call = ListImports(partner: "tinyclues", cohortID: id, pageSize: words.random.int(1..<50))
        for try await info in client.entries(of: call) {
            let expected = try cohort.imports[Int(info.version)].unwrapped
            try expectEqual(info.requestID, expected.requestID, "the request id of a receipt")
            try expectEqual(info.size, expected.size, "the size of a receipt")
            try expectEqual(info.receipt, Receipt(expected.outcomes.map { OutcomeRun($0, 1) }), "a receipt")
            seen.append(info.version)
        }
        try expectEqual(seen, cohort.imports.keys.sorted(by: >).map(Int64.init), "the versions of receipts")
    }

    private func comparePast() async throws {
        guard !past.isEmpty else { return }
        let place = words.random.int(0..<past.count)
        let (filter, moment, versions) = past[place]
        if let code = refusal(of: filter, at: moment) {
            past.remove(at: place)
            return try await expectRefused(SizeSegment(filter: filter, at: versions), code)
        }
        let expected = model.shown(model.evaluate(filter, at: moment))
        if words.random.chance(50) {
            let size = try await client.send(SizeSegment(filter: filter, at: versions)).size
            return try expectEqual(size, expected.count, "the size at earlier versions")
        }
        var members: [Member] = []
        let call = ListSegmentMembers(filter: filter, at: versions, pageSize: expected.count / 2 + 1)
        for try await member in client.entries(of: call) { members.append(member) }
        try expectSame(members, model.listed(expected), "the members at earlier versions")
    }
}

extension ModelRun {
    /// The error of a read at an earlier state: something it names was deleted, changed, or created again.
    private func refusal(of filter: Filter, at moment: ModelSnapshot) -> RPCCode? {
        guard namesWhatIsThere(filter) else { return .invalidArgument }
        let leaves = model.leaves(of: filter)
        let isChanged = leaves.contains { node in
            guard case .segment(let segment) = node else { return false }
            return model.segments[segment.segmentID]?.version != moment.segments[segment.segmentID]
        }
        if isChanged { return .failedPrecondition }
        let isAnother = leaves.contains { node in
            guard case .cohort(let cohort) = node else { return false }
            return model.cohorts[cohort.cohortID]?.generation != moment.cohorts[cohort.cohortID]?.generation
        }
        return isAnother ? .outOfRange : nil
    }
}

extension Optional {
    fileprivate var unwrapped: Wrapped {
        get throws {
            guard let self else { throw Mismatch(description: "something is missing") }
            return self
        }
    }
}
