import MusterProtocol

/// Lists every call with its handler. A test compares it with the list of calls.
public func allRoutes(
    server: ServerHandlers, keys: KeyHandlers, partners: PartnerHandlers, users: UserHandlers,
    cohorts: CohortHandlers,
    segments: SegmentHandlers, exports: ExportHandlers
) -> [Route] {
    [
        Route(direct: GetHealth.self, server.health), Route(direct: GetInfo.self, server.info),
        Route(CreateKey.self, keys.create), Route(ListKeys.self, keys.list), Route(InvalidateKey.self, keys.invalidate),
        Route(SetPartner.self, partners.set), Route(ListPartners.self, partners.list),
        Route(GetPartner.self, partners.get),
        Route(heavy: UpsertUsers.self, users.upsert), Route(GetUser.self, users.get),
        Route(heavy: IdentifyUser.self, users.identify),
        Route(heavy: MergeUsers.self, users.merge), Route(heavy: DeleteUsers.self, users.delete),
        Route(heavy: TrackUsers.self, users.track), Route(heavy: AddAliases.self, users.addAliases),
        Route(heavy: UpdateAliases.self, users.updateAliases),
        Route(heavy: RenameExternalIDs.self, users.renameExternalIDs),
        Route(heavy: RemoveExternalIDs.self, users.removeExternalIDs),
        Route(heavy: ExportUsers.self, exports.users), Route(ExportSegment.self, exports.segment),
        Route(GetExport.self, exports.get), Route(CancelExport.self, exports.cancel),
        Route(CreateCohort.self, cohorts.create), Route(heavy: ImportCohort.self, cohorts.import),
        Route(GetCohort.self, cohorts.get), Route(ListCohorts.self, cohorts.list),
        Route(heavy: ListCohortMembers.self, cohorts.members), Route(heavy: DiffCohort.self, cohorts.diff),
        Route(ListImports.self, cohorts.imports), Route(DeleteCohort.self, cohorts.delete),
        Route(CreateSegment.self, segments.create), Route(UpdateSegment.self, segments.update),
        Route(GetSegment.self, segments.get), Route(ListSegments.self, segments.list),
        Route(DeleteSegment.self, segments.delete),
        Route(direct: SizeSegment.self, when: \.isOfMemory, segments.size, heavyOtherwise: segments.heavySize),
        Route(direct: CheckSegments.self, segments.checkUsers), Route(heavy: ExplainSegment.self, segments.explain),
        Route(direct: SegmentsOfUser.self, segments.of), Route(heavy: ListSegmentMembers.self, segments.members),
        Route(heavy: DiffSegments.self, segments.diff), Route(SegmentDataSeries.self, segments.dataSeries),
    ]
}
