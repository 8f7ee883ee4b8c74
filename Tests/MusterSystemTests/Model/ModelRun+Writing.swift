import MusterClient
import MusterProtocol
import TestSupport

extension ModelRun {
    /// One operation on Muster and on the model.
    func step() async throws -> String {
        let dice = words.random.int(0..<100)
        switch dice {
        case 0..<34: return try await named("import") { try await self.importAUser() }
        case 34..<39: return try await named("repeat") { try await self.repeatSomething() }
        case 39..<57:
            let entries = (0..<words.random.int(1..<9)).map { _ in words.entry() }
            return try await named("upsert") { try await self.upsert(entries) }
        case 57..<63: return try await named("identify") { try await self.identify() }
        case 63..<69: return try await named("merge") { try await self.merge() }
        case 69..<74: return try await named("delete users") { try await self.deleteUsers() }
        case 74..<77: return try await named("name cohort") { try await self.nameCohort() }
        case 77..<79: return try await named("delete cohort") { try await self.deleteCohort() }
        case 79..<85: return try await named("create segment") { try await self.createSegment() }
        case 85..<88: return try await named("update segment") { try await self.updateSegment() }
        case 88..<91: return try await named("delete segment") { try await self.deleteSegment() }
        case 91..<96: return try await named("compaction") { try await self.compactASet() }
        case 96: return try await named("maintenance") { try await self.runMaintenance() }
        case 97: return try await named("skip numbers") { try await self.skipNumbers() }
        default: return try await named("restart") { try await self.restartAServer() }
        }
    }

    private func named(_ name: String, _ body: () async throws -> Void) async throws -> String {
        do { try await body() } catch { throw Mismatch(description: "\(name): \(error)") }
        return name
    }

    private func repeatSomething() async throws {
        try await words.random.pick(repeats)?()
    }

    // MARK: Imports

    private func importAUser() async throws {
        var call = words.importCall(words.cohort(), requestID: words.random.chance(70) ? newRequestID() : nil)
        call.withOutcomes = true
        if call.changes.allSatisfy({ $0.identifierCount == 0 }) { return try await importNobody(call) }
        let before = model.cohorts[call.cohortID]?.members ?? []
        let reply = try await client.send(call)
        let outcomes = model.importCohort(call)
        let after = model.cohorts[call.cohortID]?.members ?? []
        try expectEqual(reply.version, Int64(model.cohorts[call.cohortID]?.version ?? 0), "the version of an import")
        try expectEqual(reply.size, after.count, "the size after an import")
        try expectEqual(
            (reply.outcomes ?? []).flatMap { Array(repeating: $0.outcome, count: $0.count) }, outcomes, "outcomes")
        try expectEqual(reply.receipt, Receipt(outcomes.map { OutcomeRun($0, 1) }), "the receipt")
        try expectEqual(reply.receipt.added, after.subtracting(before).count, "added")
        try expectEqual(reply.receipt.removed, before.subtracting(after).count, "removed")
        guard call.requestID != nil else { return }
        let sent = call
        repeats.append { [unowned self] in
            try expectEqual(try await client.send(sent), reply, "the answer to a repeated import")
            var other = sent
            other.changes.append(.adding(userIDs: ["other"]))
            try await expectRefused(other, .failedPrecondition)
        }
    }

    private func importNobody(_ call: ImportCohort) async throws {
        let reply = try await client.send(call)
        let cohort = model.cohorts[call.cohortID]
        try expectEqual(reply.version, Int64(cohort?.version ?? 0), "the version of an empty import")
        try expectEqual(reply.size, cohort?.members.count ?? 0, "the size of an empty import")
        try expectEqual(reply.receipt, Receipt(), "the receipt of an empty import")
    }

    // MARK: Users

    func upsert(_ entries: [UserEntry]) async throws {
        let reply = try await sendRecorded(UpsertUsers(users: entries))
        try expectEqual(reply.results.map(\.outcome), model.upsert(entries), "the outcomes of an upsert")
    }

    private func identify() async throws {
        let call = IdentifyUser(user: words.reference(), externalID: words.externalID())
        let expected: IdentifyOutcome
        do { expected = try model.identify(call.user, as: call.externalID) } catch {
            guard case .code(let code) = error else { return }
            return try await expectRefused(call, code)
        }
        try expectEqual(try await sendRecorded(call).outcome, expected, "the outcome of identify")
    }

    private func merge() async throws {
        let call = MergeUsers(merge: words.reference(), keep: words.reference())
        let expected: Int
        do { expected = try model.merge(call.merge, into: call.keep) } catch {
            guard case .code(let code) = error else { return }
            return try await expectRefused(call, code)
        }
        try expectEqual(try await sendRecorded(call).changedSets, expected, "changed_sets of a merge")
    }

    private func deleteUsers() async throws {
        let users = (0..<words.random.int(1..<5)).map { _ in words.reference() }
        try expectEqual(
            try await sendRecorded(DeleteUsers(users: users)), model.delete(users), "the reply of a deletion")
    }

    // MARK: Cohorts

    private func nameCohort() async throws {
        let (id, name) = (words.cohort(), "name \(words.random.int(0..<3))")
        let reply = try await client.send(CreateCohort(partner: "tinyclues", cohortID: id, name: name))
        guard let there = model.cohorts[id] else {
            model.makeCohort(id, name: name)
            return try expectEqual(reply, .init(outcome: .created, version: 0, size: 0), "the reply of cohorts.create")
        }
        model.cohorts[id]?.name = name
        let expected = CreateCohort.Reply(
            outcome: there.name == name ? .unchanged : .renamed, version: Int64(there.version),
            size: there.members.count)
        try expectEqual(reply, expected, "the reply of cohorts.create")
    }

    private func deleteCohort() async throws {
        let id = words.cohort()
        let call = DeleteCohort(partner: "tinyclues", cohortID: id)
        guard model.cohorts[id] != nil else { return try await expectRefused(call, .notFound) }
        let isUsed = model.segments.values.contains { names($0.filter, .cohort("tinyclues", id)) }
        if isUsed { return try await expectRefused(call, .failedPrecondition) }
        _ = try await client.send(call)
        model.cohorts[id] = nil
    }

    private func names(_ filter: Filter, _ leaf: Filter) -> Bool {
        var found = false
        filter.forEachNode { node, _ in if node == leaf { found = true } }
        return found
    }

    // MARK: Segments

    private func createSegment() async throws {
        let id = words.segment()
        let filter = words.filter(in: model)
        let call = CreateSegment(segmentID: id, name: "segment", filter: filter)
        if model.segments[id] != nil { return try await expectRefused(call, .alreadyExists) }
        guard namesWhatIsThere(filter, except: id) else { return try await expectRefused(call, .invalidArgument) }
        guard fits(filter, as: id) else { return }
        try define(id, filter, version: try await sendRecorded(call).version)
    }

    private func updateSegment() async throws {
        let id = words.segment()
        let filter = words.filter(in: model)
        let call = UpdateSegment(segmentID: id, filter: filter)
        guard let old = model.segments[id] else { return try await expectRefused(call, .notFound) }
        let isSound = namesWhatIsThere(filter) && !model.usesSegment(id, filter)
        guard isSound else { return try await expectRefused(call, .invalidArgument) }
        guard fits(filter, as: id) else { return }
        let reply = try await client.send(call)
        if old.filter == filter {
            return try expectEqual(reply.version, old.version, "the version of an unchanged segment")
        }
        try define(id, filter, version: reply.version)
    }

    private func define(_ id: Identifier, _ filter: Filter, version: Int64) throws {
        let highest = model.highestVersions[id] ?? 0
        guard version > highest else {
            throw Mismatch(description: "the version \(version) of a segment had a meaning before, up to \(highest)")
        }
        model.highestVersions[id] = version
        model.segments[id] = ModelSegment(filter: filter, version: version)
    }

    private func deleteSegment() async throws {
        let id = words.segment()
        let call = DeleteSegment(segmentID: id)
        guard model.segments[id] != nil else { return try await expectRefused(call, .notFound) }
        let isUsed = model.segments.values.contains { names($0.filter, .segment(id)) }
        if isUsed { return try await expectRefused(call, .failedPrecondition) }
        _ = try await client.send(call)
        model.segments[id] = nil
    }

    /// Whether every cohort and segment of a filter exists.
    func namesWhatIsThere(_ filter: Filter, except id: Identifier? = nil) -> Bool {
        model.leaves(of: filter).allSatisfy { node in
            switch node {
            case .cohort(let cohort): model.cohorts[cohort.cohortID] != nil
            case .segment(let segment): model.segments[segment.segmentID] != nil && segment.segmentID != id
            default: true
            }
        }
    }

    /// Whether no segment exceeds the limits, which other tests check.
    private func fits(_ filter: Filter, as id: Identifier) -> Bool {
        var changed = model
        changed.segments[id] = ModelSegment(filter: filter, version: 0)
        return changed.segments.values.allSatisfy { changed.leaves(of: $0.filter).count < 120 }
    }
}
