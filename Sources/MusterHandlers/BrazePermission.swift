import MusterProtocol

/// Braze's names for the permissions of a REST key, so that a company's list of permissions can be used unchanged.
///
/// A permission with the name of a call is a scope already. The ones here stand for the scopes of the calls behind
/// their routes. A permission with an empty list only opens its route.
enum BrazePermission {
    static let scopes: [String: [String]] = [
        "users.track.bulk": [TrackUsers.method],
        "users.track.sync": [TrackUsers.method],
        // The name of a call too. A key that may start an export may also poll and cancel it.
        "users.export.segment": [GetExport.method, CancelExport.method],
        "segments.details": [GetSegment.method],
        "campaigns.list": [],
        "canvas.list": [],
    ]
}
