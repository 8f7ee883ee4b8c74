import MusterProtocol
import MusterStore

extension RPCError {
    /// Maps a filter that can't be evaluated or saved to the caller's error.
    init(_ fault: FilterFault) {
        switch fault {
        case .unknownSegment(let id, let field):
            self.init(
                .notFound, .unknownSegment, field: field,
                "there is no segment \"\(id.text)\"; segments.list shows those there are")
        case .missingSegment(let id, let path):
            self.init(
                .invalidArgument, .unknownSegment, field: "\(path).segment_id",
                "\(path): there is no segment \"\(id.text)\"")
        case .missingCohort(let cohort, let path):
            self.init(
                .invalidArgument, .unknownCohort, field: "\(path).cohort_id",
                "\(path): there is no cohort \"\(cohort.cohortID.text)\" of partner \(cohort.partner)")
        case .tooDeep(let path):
            self = .over(
                Limits.filterDepth, path, .tooDeep,
                "is deeper than \(Limits.filterDepth.value) levels, saved filters inside it included")
        case .tooManyNodes(let path):
            self = .over(
                Limits.filterNodes, path, .tooMany,
                "is one of more than \(Limits.filterNodes.value) nodes, saved filters inside it included")
        case .tooLarge(let id, let limit):
            let problem = limit == Limits.filterDepth ? "be deeper than" : "have more than"
            self.init(
                .invalidArgument, limit == Limits.filterDepth ? .tooDeep : .tooMany, field: "filter", limit: limit,
                "filter: with it, segment \"\(id.text)\", which uses this one, would \(problem) "
                    + "\(limit.described)")
        case .cycle(let ids):
            let way = ids.map { "\"\($0.text)\"" }.joined(separator: " → ")
            self.init(
                .invalidArgument, .cycle, field: "filter", "filter: the segment would contain itself: \(way)")
        case .noHistory(let path, let at):
            self.init(
                .failedPrecondition, .noHistory, field: at,
                "\(path): attributes, identifiers and events have no history; leave \(at) out")
        case .segmentChanged(let id):
            self.init(
                .failedPrecondition, .changed, "segment \"\(id.text)\" was changed since; begin again")
        case .versionsIncomplete(let at):
            self.init(
                .invalidArgument, .missing, field: at,
                "\(at) must name a version of everything that the filter uses: pass the versions of a reply whole")
        }
    }
}
