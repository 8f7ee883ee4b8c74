import MusterProtocol

/// Braze's names of what a REST key may do, so that a company's list of permissions can be taken over as it is.
///
/// A permission whose name is that of a call is a scope anyway. These stand for the scopes of the calls behind their routes; one
/// that stands for none only opens its route.
enum BrazePermission {
    static let scopes: [String: [String]] = [
        "users.track.bulk": [TrackUsers.method],
        "users.track.sync": [TrackUsers.method],
        "users.export.ids": [GetUser.method],
        "users.export.segment": [],
        "segments.details": [GetSegment.method],
        "segments.data_series": [],
        "campaigns.list": [],
        "canvas.list": [],
    ]
}
