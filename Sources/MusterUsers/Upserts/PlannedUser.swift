package import MusterProtocol

/// A user of a batch: as it is stored, with the changes of the entries so far.
package struct PlannedUser {
    /// Nil: the batch makes this user.
    package let number: UserNumber?
    /// The external id of a user whom the batch makes.
    package private(set) var externalID: Identifier?
    private var attributes: AttributesByName
    /// The attributes to store; nil where nothing changed.
    package private(set) var changedAttributes: [UInt8]?
    /// Aliases that the batch adds.
    package private(set) var newAliases: [Alias] = []
    /// Devices that the batch adds.
    package private(set) var newDevices: [Identifier] = []
    private var labels: Set<Identifier>
    private var deviceCount: Int
    private let hasExternalID: Bool

    /// A user who is made.
    init() {
        (number, attributes, labels, deviceCount, hasExternalID) = (nil, [:], [], 0, false)
    }

    /// A user who is stored.
    package init(
        number: UserNumber, attributes: AttributesByName, labels: Set<Identifier>, deviceCount: Int, hasExternalID: Bool
    ) {
        (self.number, self.attributes, self.labels) = (number, attributes, labels)
        (self.deviceCount, self.hasExternalID) = (deviceCount, hasExternalID)
    }

    /// Whether the user has an external id.
    var isIdentified: Bool { hasExternalID || externalID != nil }

    /// Whether the batch changes the stored user.
    package var isChanged: Bool { changedAttributes != nil || !newAliases.isEmpty || !newDevices.isEmpty }

    /// Adds an identifier that nobody has; returns why the user can not have it.
    mutating func add(_ identifier: UserReference) -> (reason: UpsertResult.Reason, problem: String)? {
        switch identifier {
        case .externalID(let id): externalID = id
        case .alias(let alias):
            // One entry may have an identifier twice.
            if newAliases.contains(alias) { return nil }
            guard labels.insert(alias.label).inserted else {
                return (.labelTaken, "the user has another name under its label")
            }
            guard labels.count <= Limits.aliasesPerUser.value else {
                return (.tooMany, Self.tooMany(Limits.aliasesPerUser))
            }
            newAliases.append(alias)
        case .deviceID(let id):
            if newDevices.contains(id) { return nil }
            deviceCount += 1
            guard deviceCount <= Limits.devicesPerUser.value else {
                return (.tooMany, Self.tooMany(Limits.devicesPerUser))
            }
            newDevices.append(id)
        // Nothing adds these: the server makes Braze ids, and addresses and numbers are attributes.
        case .brazeID, .email, .phone: break
        }
        return nil
    }

    /// Merges attributes; returns whether that changed anything. Throws `UserRefusal` where the user would have too
    /// many.
    mutating func merge(_ entries: [Attributes.Entry]) throws -> Bool {
        guard attributes.merge(entries) else { return false }
        changedAttributes = try attributes.jsonWithinLimits
        return true
    }

    /// Applies changes of attributes; returns the attributes of another kind than their change needs. Throws
    /// `UserRefusal` as merging does.
    mutating func change(_ changes: [AttributeChange]) throws -> [IncompatibleAttribute] {
        let (changed, incompatible) = try attributes.apply(changes)
        if changed { changedAttributes = try attributes.jsonWithinLimits }
        return incompatible
    }

    static func tooMany(_ limit: Limit) -> String {
        "the user would have more than \(limit.described)"
    }
}
