/// All calls, in the order of `proto-docs`. A test compares the router and the pages with this list.
public let allCalls: [any Call.Type] = [
    OpenSession.self,
    GetHealth.self, GetInfo.self,
    CreateKey.self, ListKeys.self, InvalidateKey.self,
    SetPartner.self, ListPartners.self, GetPartner.self,
    UpsertUsers.self, GetUser.self, IdentifyUser.self, MergeUsers.self, DeleteUsers.self,
    TrackUsers.self, AddAliases.self, UpdateAliases.self, RenameExternalIDs.self, RemoveExternalIDs.self,
    ExportUsers.self, ExportSegment.self, GetExport.self, CancelExport.self,
    CreateCohort.self, ImportCohort.self, GetCohort.self, ListCohorts.self, ListCohortMembers.self, DiffCohort.self,
    ListImports.self, DeleteCohort.self,
    CreateSegment.self, UpdateSegment.self, GetSegment.self, ListSegments.self, DeleteSegment.self, SizeSegment.self,
    CheckSegments.self, ExplainSegment.self, SegmentsOfUser.self, ListSegmentMembers.self, DiffSegments.self,
    SegmentDataSeries.self,
]
