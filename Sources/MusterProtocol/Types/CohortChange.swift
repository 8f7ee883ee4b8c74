/// Identifiers to add to a cohort, or with `shouldRemove` to remove from it; an object of Braze's `cohort_changes`.
public struct CohortChange: Codable, Sendable, Equatable {
    public var userIDs: IdentifierList
    public var deviceIDs: IdentifierList
    public var aliases: [Alias]
    public var shouldRemove: Bool

    enum CodingKeys: String, CodingKey, CaseIterable {
        case userIDs = "user_ids"
        case deviceIDs = "device_ids"
        case aliases
        case shouldRemove = "should_remove"
    }

    public init(
        userIDs: IdentifierList = [], deviceIDs: IdentifierList = [], aliases: [Alias] = [], shouldRemove: Bool = false
    ) {
        self.userIDs = userIDs
        self.deviceIDs = deviceIDs
        self.aliases = aliases
        self.shouldRemove = shouldRemove
    }

    public static func adding(
        userIDs: IdentifierList = [], deviceIDs: IdentifierList = [], aliases: [Alias] = []
    ) -> Self {
        Self(userIDs: userIDs, deviceIDs: deviceIDs, aliases: aliases)
    }

    public static func removing(
        userIDs: IdentifierList = [], deviceIDs: IdentifierList = [], aliases: [Alias] = []
    ) -> Self {
        Self(userIDs: userIDs, deviceIDs: deviceIDs, aliases: aliases, shouldRemove: true)
    }

    /// The number of identifiers of all kinds.
    public var identifierCount: Int { userIDs.count + deviceIDs.count + aliases.count }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let userIDs = try container.decodeIfPresent(IdentifierList.self, forKey: .userIDs)
        let deviceIDs = try container.decodeIfPresent(IdentifierList.self, forKey: .deviceIDs)
        let aliases = try container.decodeIfPresent([AnyAlias].self, forKey: .aliases)
        guard userIDs != nil || deviceIDs != nil || aliases != nil else {
            throw JSONError(at: decoder, "must have user_ids, device_ids or aliases, each an array", .missing)
        }
        self.userIDs = userIDs ?? []
        self.deviceIDs = deviceIDs ?? []
        self.aliases = aliases?.map(\.alias) ?? []
        shouldRemove = try container.decodeIfPresent(Bool.self, forKey: .shouldRemove) ?? false
    }

    /// Encodes only lists that are not empty, `user_ids` when all are: an object without any of the three is refused.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        if !userIDs.isEmpty || identifierCount == 0 { try container.encode(userIDs, forKey: .userIDs) }
        if !deviceIDs.isEmpty { try container.encode(deviceIDs, forKey: .deviceIDs) }
        if !aliases.isEmpty { try container.encode(aliases, forKey: .aliases) }
        if shouldRemove { try container.encode(true, forKey: .shouldRemove) }
    }
}
