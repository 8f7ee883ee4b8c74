public import MusterProtocol

/// Why a call that names one or two users is refused.
public enum UserRefusal: Error, Sendable, Equatable {
    /// The reference in this field finds nobody.
    case unknown(String)
    /// The user to merge is the user to keep.
    case sameUser
    /// The user to identify has another external id.
    case otherExternalID
    /// The kept user would have more than this.
    case tooMany(Limit)
}
