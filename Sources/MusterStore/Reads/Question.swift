public import MusterProtocol

/// What a read is about: saved segments, all of them, or a filter that nobody saved.
public enum Question: Hashable, Sendable {
    case segments([Identifier])
    case everySegment
    case filter(Filter)
}

/// Why a filter can't be answered or saved.
public enum FilterFault: Error, Equatable {
    /// The call itself names a segment that doesn't exist.
    case unknownSegment(Identifier)
    /// The filter names a segment that doesn't exist, at this path.
    case missingSegment(Identifier, path: String)
    /// The filter names a cohort that doesn't exist, at this path.
    case missingCohort(CohortReference, path: String)
    case tooDeep(path: String)
    case tooManyNodes(path: String)
    /// This segment uses the one that is changed, and would be too deep or have too many nodes: beyond this limit.
    case tooLarge(user: Identifier, Limit)
    /// The segment would contain itself, by way of these.
    case cycle([Identifier])
    /// `at` was given, and the filter has a leaf without history.
    case noHistory(path: String)
    /// `at` or a page names another definition than the current one.
    case segmentChanged(Identifier)
    /// `at` doesn't name the version of something that the filter uses.
    case versionsIncomplete
}

extension Question {
    /// Whether the question itself names a segment, and not only a definition that it uses.
    func names(_ id: Identifier) -> Bool {
        switch self {
        case .segments(let ids): return ids.contains(id)
        case .everySegment: return false
        case .filter(let filter):
            var found = false
            filter.forEachNode { node, _ in if node == .segment(id) { found = true } }
            return found
        }
    }

    /// What to say where a segment isn't there.
    func fault(missing id: Identifier) -> FilterFault {
        switch self {
        case .segments(let ids) where ids.contains(id): return .unknownSegment(id)
        case .segments, .everySegment: return .missingSegment(id, path: "filter")
        case .filter(let filter):
            var found = "filter"
            filter.forEachNode { node, path in
                if node == .segment(id) { found = path }
            }
            return .missingSegment(id, path: found)
        }
    }
}
