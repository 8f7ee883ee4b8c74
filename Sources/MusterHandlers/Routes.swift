import MusterProtocol

/// Every call with the method that handles it. A test holds it against the list of calls.
public func allRoutes(
    server: ServerHandlers, keys: KeyHandlers, partners: PartnerHandlers, users: UserHandlers, cohorts: CohortHandlers,
    segments: SegmentHandlers
) -> [Route] {
    [
        Route(GetHealth.self, server.health), Route(GetInfo.self, server.info),
        Route(CreateKey.self, keys.create), Route(ListKeys.self, keys.list), Route(InvalidateKey.self, keys.invalidate),
        Route(SetPartner.self, partners.set), Route(ListPartners.self, partners.list),
        Route(GetPartner.self, partners.get),
        Route(UpsertUsers.self, .heavy, users.upsert), Route(GetUser.self, users.get),
        Route(IdentifyUser.self, .heavy, users.identify),
        Route(MergeUsers.self, .heavy, users.merge), Route(DeleteUsers.self, .heavy, users.delete),
        Route(CreateCohort.self, cohorts.create), Route(ImportCohort.self, .heavy, cohorts.import),
        Route(GetCohort.self, cohorts.get), Route(ListCohorts.self, cohorts.list),
        Route(ListCohortMembers.self, .heavy, cohorts.members), Route(DiffCohort.self, .heavy, cohorts.diff),
        Route(ListImports.self, cohorts.imports), Route(DeleteCohort.self, cohorts.delete),
        Route(CreateSegment.self, segments.create), Route(UpdateSegment.self, segments.update),
        Route(GetSegment.self, segments.get), Route(ListSegments.self, segments.list),
        Route(DeleteSegment.self, segments.delete), Route(SizeSegment.self, .heavy, segments.size),
        Route(CheckSegments.self, segments.checkUsers), Route(SegmentsOfUser.self, .heavy, segments.of),
        Route(ListSegmentMembers.self, .heavy, segments.members),
    ]
}
