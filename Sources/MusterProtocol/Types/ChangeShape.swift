/// The number of identifiers of each kind in one object of an import. Converts outcomes by position into outcomes by
/// path.
public struct ChangeShape: Codable, Sendable, Equatable {
    public var userIDs: Int
    public var deviceIDs: Int
    public var aliases: Int

    enum CodingKeys: String, CodingKey {
        case userIDs = "user_ids"
        case deviceIDs = "device_ids"
        case aliases
    }

    public init(userIDs: Int, deviceIDs: Int, aliases: Int) {
        self.userIDs = userIDs
        self.deviceIDs = deviceIDs
        self.aliases = aliases
    }

    /// The shape of this object.
    public init(_ change: CohortChange) {
        self.init(userIDs: change.userIDs.count, deviceIDs: change.deviceIDs.count, aliases: change.aliases.count)
    }
}
