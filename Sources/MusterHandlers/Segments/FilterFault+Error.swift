import MusterProtocol
import MusterStore

extension RPCError {
    /// What to say of a filter that can't be answered or saved.
    init(_ fault: FilterFault) {
        switch fault {
        case .unknownSegment(let id):
            self.init(.notFound, "there is no segment \"\(id.text)\"; segments.list shows those there are")
        case .missingSegment(let id, let path):
            self.init(.invalidArgument, "\(path): there is no segment \"\(id.text)\"")
        case .missingCohort(let cohort, let path):
            self.init(
                .invalidArgument, "\(path): there is no cohort \"\(cohort.cohortID.text)\" of partner \(cohort.partner)"
            )
        case .tooDeep(let path):
            self.init(
                .invalidArgument,
                "\(path): deeper than \(Limits.filterDepth.value) levels, saved filters inside it included")
        case .tooManyNodes(let path):
            self.init(
                .invalidArgument,
                "\(path): more than \(Limits.filterNodes.value) nodes, saved filters inside it included")
        case .tooLarge(let id):
            self.init(
                .invalidArgument,
                "filter: with it, segment \"\(id.text)\", which uses this one, would be deeper than "
                    + "\(Limits.filterDepth.value) levels or have more than \(Limits.filterNodes.value) nodes")
        case .cycle(let ids):
            let way = ids.map { "\"\($0.text)\"" }.joined(separator: " → ")
            self.init(.invalidArgument, "filter: the segment would contain itself: \(way)")
        case .noHistory(let path):
            self.init(.failedPrecondition, "\(path): attributes and events have no history; leave at out")
        case .segmentChanged(let id):
            self.init(.failedPrecondition, "segment \"\(id.text)\" was changed since; begin again")
        case .versionsIncomplete:
            self.init(
                .invalidArgument,
                "at must name a version of everything that the filter uses: pass the versions of a reply whole")
        }
    }
}
