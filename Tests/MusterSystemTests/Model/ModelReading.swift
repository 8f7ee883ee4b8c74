import MusterProtocol

/// A state to read: the version of everyone and of each cohort.
struct ModelSnapshot {
    var everyone: Int
    var cohorts: [Identifier: (generation: Int, version: Int)]
    var segments: [Identifier: Int64]
}

extension Model {
    var now: ModelSnapshot {
        ModelSnapshot(
            everyone: everyone.count - 1, cohorts: cohorts.mapValues { ($0.generation, $0.version) },
            segments: segments.mapValues(\.version))
    }

    /// The users that a filter selects.
    func evaluate(_ filter: Filter, at moment: ModelSnapshot? = nil) -> Set<Int> {
        let moment = moment ?? now
        let all = everyone[moment.everyone]
        switch filter {
        case .everyone: return all
        case .all(let filters): return filters.reduce(all) { $0.intersection(evaluate($1, at: moment)) }
        case .any(let filters): return filters.reduce([]) { $0.union(evaluate($1, at: moment)) }
        case .not(let inner): return all.subtracting(evaluate(inner, at: moment))
        case .cohort(let cohort):
            guard let there = cohorts[cohort.cohortID], let named = moment.cohorts[cohort.cohortID] else { return [] }
            return there.states[named.version]
        case .segment(let segment):
            return segments[segment.segmentID].map { evaluate($0.filter, at: moment) } ?? []
        case .attribute(let test): return all.filter { passes($0, test) }
        case .identifier(let test): return all.filter { users[$0]?.has(test) ?? false }
        // EventModelTests have a model of their own.
        case .event, .purchase: return []
        }
    }

    private func passes(_ number: Int, _ test: AttributeFilter) -> Bool {
        let value = users[number]?.attributes[test.name.text]
        switch (test.comparison, value, test.value) {
        case (.exists, let value, _): return value != nil
        case (.doesNotExist, let value, _): return value == nil
        case (.equals, let value?, let wanted?): return says(value, wanted)
        case (.notEqual, let value, let wanted?): return !(value.map { says($0, wanted) } ?? false)
        case (.greaterThan, .integer(let number)?, .number(let bound)?): return Double(number) > bound
        case (.lessThan, .integer(let number)?, .number(let bound)?): return Double(number) < bound
        case (.includesValue, let value, .string(let wanted)?): return includes(value, wanted)
        case (.doesNotIncludeValue, let value, .string(let wanted)?): return !includes(value, wanted)
        default: return false
        }
    }

    private func says(_ value: AttributeValue, _ wanted: FilterValue) -> Bool {
        switch (value, wanted) {
        case (.string(let text), .string(let wanted)): text == wanted.bytes
        case (.integer(let number), .number(let wanted)): Double(number) == wanted
        case (.bool(let value), .boolean(let wanted)): value == wanted
        default: false
        }
    }

    private func includes(_ value: AttributeValue?, _ wanted: Identifier) -> Bool {
        if case .strings(let texts) = value { texts.contains(wanted.bytes) } else { false }
    }

    /// The users shown for an earlier state: no erased ones, merged ones as the kept one, each once.
    func shown(_ members: Set<Int>) -> Set<Int> {
        Set(
            members.compactMap { number in
                if users[number] != nil { return number }
                return kept[number].flatMap { users[$0] == nil ? nil : $0 }
            })
    }

    /// In the order of their numbers.
    func listed(_ members: Set<Int>) -> [Member] { members.sorted().compactMap { users[$0]?.member } }

    /// The versions that a read of this filter reports.
    func versions(of filter: Filter) -> Versions {
        let leaves = leaves(of: filter)
        let named = Set(leaves.compactMap { if case .cohort(let cohort) = $0 { cohort.cohortID } else { nil } })
        let saved = Set(leaves.compactMap { if case .segment(let segment) = $0 { segment.segmentID } else { nil } })
        return Versions(
            everyone: Int64(everyone.count - 1),
            cohorts: named.map {
                CohortVersion(partner: "tinyclues", cohortID: $0, version: Int64(cohorts[$0]?.version ?? -1))
            },
            segments: saved.map { SegmentVersion(segmentID: $0, version: segments[$0]?.version ?? -1) })
    }

    /// All nodes, including those of saved filters.
    func leaves(of filter: Filter) -> [Filter] {
        var all: [Filter] = []
        filter.forEachNode { node, _ in
            all.append(node)
            if case .segment(let segment) = node, let saved = segments[segment.segmentID] {
                all += leaves(of: saved.filter)
            }
        }
        return all
    }

    func usesSegment(_ id: Identifier, _ filter: Filter) -> Bool {
        leaves(of: filter).contains(.segment(SegmentReference(segmentID: id)))
    }

    /// Whether it has a leaf without history.
    func usesComputedLeaf(_ filter: Filter) -> Bool {
        leaves(of: filter).contains { leaf in
            switch leaf {
            case .attribute, .identifier: true
            default: false
            }
        }
    }
}

extension ModelUser {
    fileprivate func has(_ test: IdentifierFilter) -> Bool {
        switch test.kind {
        case .externalID: externalID != nil
        case .alias: test.aliasLabel.map { aliases[$0] != nil } ?? !aliases.isEmpty
        case .deviceID: !devices.isEmpty
        }
    }
}

extension Versions {
    /// In a fixed order, without fields that the model lacks, for comparison.
    var sorted: Versions {
        let cohorts = cohorts.map { CohortVersion(partner: $0.partner, cohortID: $0.cohortID, version: $0.version) }
        return Versions(
            everyone: everyone, cohorts: cohorts.sorted { $0.cohortID < $1.cohortID },
            segments: segments.sorted { $0.segmentID < $1.segmentID })
    }
}
