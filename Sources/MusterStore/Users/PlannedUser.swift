import MusterProtocol

/// A user of a batch, as it is stored and as the entries so far leave it.
struct PlannedUser {
    /// Nil: the batch makes this user.
    let number: Int32?
    private(set) var externalID: Identifier?
    private var attributes: AttributesByName
    /// The attributes as they are to be stored; nil where nothing changed.
    private(set) var changedAttributes: [UInt8]?
    private(set) var newAliases: [Alias] = []
    private(set) var newDevices: [Identifier] = []
    private var labels: Set<Identifier>
    private var deviceCount: Int
    private let hasExternalID: Bool

    /// A user who is made.
    init() {
        (number, attributes, labels, deviceCount, hasExternalID) = (nil, [:], [], 0, false)
    }

    /// A user who is there.
    init(
        number: Int32, attributes: AttributesByName, labels: Set<Identifier>, deviceCount: Int, hasExternalID: Bool
    ) {
        (self.number, self.attributes, self.labels) = (number, attributes, labels)
        (self.deviceCount, self.hasExternalID) = (deviceCount, hasExternalID)
    }

    var isIdentified: Bool { hasExternalID || externalID != nil }

    var isChanged: Bool { changedAttributes != nil || !newAliases.isEmpty || !newDevices.isEmpty }

    /// Gives the user an identifier that nobody has. Why not, if not.
    mutating func add(_ identifier: UserReference) -> (reason: UpsertResult.Reason, problem: String)? {
        switch identifier {
        case .externalID(let id): externalID = id
        case .alias(let alias):
            // One entry may say the same thing twice.
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
        // Nobody is given one of these: the first is made up, and the others are attributes.
        case .brazeID, .email, .phone: break
        }
        return nil
    }

    /// Merges attributes; whether that changed anything. Throws `UserRefusal` where the user would have too many.
    mutating func merge(_ entries: [Attributes.Entry]) throws -> Bool {
        guard attributes.merge(entries) else { return false }
        changedAttributes = try attributes.jsonWithinLimits
        return true
    }

    /// Applies changes of attributes, and returns those that an attribute is not fit for. Throws `UserRefusal` as
    /// merging does.
    mutating func change(_ changes: [AttributeChange]) throws -> [IncompatibleAttribute] {
        let (changed, unfit) = try attributes.apply(changes)
        if changed { changedAttributes = try attributes.jsonWithinLimits }
        return unfit
    }

    static func tooMany(_ limit: Limit) -> String {
        "the user would have more than \(limit.described)"
    }
}
