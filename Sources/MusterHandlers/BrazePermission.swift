import MusterProtocol

/// Braze's names of what a REST key may do, so that a company's list of permissions can be taken over as it is.
///
/// A permission whose name is that of a call is a scope anyway. These stand for the scopes of the calls behind their
/// routes; one that stands for none only opens its route.
enum BrazePermission {
    static let scopes: [String: [String]] = [
        "users.track.bulk": [TrackUsers.method],
        "users.track.sync": [TrackUsers.method],
        // A call too; who may begin an export may see how far it is, and end it.
        "users.export.segment": [GetExport.method, CancelExport.method],
        "segments.details": [GetSegment.method],
        "campaigns.list": [],
        "canvas.list": [],
    ]
}
