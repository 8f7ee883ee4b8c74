public import MusterProtocol

/// What a read is about: saved segments, all of them, a filter that nobody saved, or several of these together.
public enum Question: Hashable, Sendable {
    case segments([Identifier])
    case everySegment
    case filter(Filter)
    /// Segments and filters of one call, all of one state.
    case several([QuestionPart])
}

/// One of several segments and filters that a question is about.
public struct QuestionPart: Hashable, Sendable {
    public enum Subject: Hashable, Sendable {
        case segment(Identifier)
        case filter(Filter)
    }

    public var subject: Subject
    /// The field of the call that names it, for errors.
    public var field: String

    /// - Parameter field: the field of the call that names it, for errors.
    public init(_ subject: Subject, field: String) {
        self.subject = subject
        self.field = field
    }
}

/// Why a filter can't be answered or saved. Paths are those from the body of the call.
public enum FilterFault: Error, Equatable {
    /// The call itself names a segment that doesn't exist.
    case unknownSegment(Identifier, field: String = "segment_id")
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
    /// The field `at` was given, and the filter has a leaf without history.
    case noHistory(path: String, at: String)
    /// `at` or a page names another definition than the current one.
    case segmentChanged(Identifier)
    /// The field `at` doesn't name the version of something that the filter uses.
    case versionsIncomplete(at: String)
}

extension Question {
    /// Whether the question itself names a segment, and not only a definition that it uses.
    func names(_ id: Identifier) -> Bool {
        switch self {
        case .segments(let ids): ids.contains(id)
        case .everySegment: false
        case .filter(let filter): filter.path(of: id) != nil
        case .several(let parts): parts.contains { $0.fault(missing: id) != nil }
        }
    }

    /// What to say where a segment isn't there.
    func fault(missing id: Identifier) -> FilterFault {
        switch self {
        case .segments(let ids) where ids.contains(id): .unknownSegment(id)
        case .segments, .everySegment: .missingSegment(id, path: "filter")
        case .filter(let filter): .missingSegment(id, path: "filter.\(filter.path(of: id) ?? filter.name)")
        case .several(let parts):
            parts.lazy.compactMap { $0.fault(missing: id) }.first ?? .missingSegment(id, path: "filter")
        }
    }
}

extension QuestionPart {
    /// What to say where a segment isn't there; nil if the part doesn't name it.
    fileprivate func fault(missing id: Identifier) -> FilterFault? {
        switch subject {
        case .segment(let own): own == id ? .unknownSegment(id, field: field) : nil
        case .filter(let filter): filter.path(of: id).map { .missingSegment(id, path: "\(field).\($0)") }
        }
    }
}

extension Filter {
    /// The path of the last node that names a segment.
    fileprivate func path(of id: Identifier) -> String? {
        var found: String?
        forEachNode { node, path in if node == .segment(id) { found = path } }
        return found
    }
}
