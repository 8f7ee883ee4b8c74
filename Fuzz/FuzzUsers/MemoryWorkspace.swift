import MusterProtocol
import MusterUsers

/// The users of a workspace as the tables would have them. A user's number is the index.
struct MemoryWorkspace {
    private struct StoredUser {
        var hasExternalID = false
        var attributes: AttributesByName = [:]
        var labels: Set<Identifier> = []
        var deviceCount = 0
    }

    private var users: [StoredUser] = []
    private var numbers: [UserReference: UserNumber] = [:]

    /// The number of the user that a reference finds, as the statements of the store would.
    func find(_ reference: UserReference) -> UserNumber? {
        switch reference {
        case .externalID, .alias, .deviceID: numbers[reference]
        case .brazeID: nil
        case .email(let contact): find("email", contact)
        case .phone(let contact): find("phone", contact)
        }
    }

    private func find(_ attribute: String, _ contact: Contact) -> UserNumber? {
        let found = users.indices.filter {
            users[$0].attributes[Array(attribute.utf8)] == .string(contact.value.bytes)
        }
        return (found.last { users[$0].hasExternalID } ?? found.last).map { UserNumber(rawValue: UInt32($0)) }
    }

    /// Whether a user has an external id.
    func isIdentified(_ number: UserNumber) -> Bool { users[Int(number.rawValue)].hasExternalID }

    /// The users that entries name, with the fields that are asked for.
    func users(_ fields: FieldsToRead, _ findings: UpsertFindings) -> ([PlannedUser], [UserReference: Int]) {
        let read = fields.users.sorted()
        let planned = read.map { number in
            let user = users[Int(number.rawValue)]
            return PlannedUser(
                number: number, attributes: fields.attributes.contains(number) ? user.attributes : [:],
                labels: fields.labels.contains(number) ? user.labels : [],
                deviceCount: fields.devices.contains(number) ? user.deviceCount : 0,
                hasExternalID: user.hasExternalID)
        }
        let indexes = Dictionary(uniqueKeysWithValues: zip(read, 0...))
        return (planned, findings.numbers.mapValues { indexes[$0] ?? UpsertPlan.somebodyElse })
    }

    /// All users with all that is stored, in another order.
    func everyone(_ findings: UpsertFindings) -> ([PlannedUser], [UserReference: Int]) {
        let planned = users.indices.reversed().map { index in
            PlannedUser(
                number: UserNumber(rawValue: UInt32(index)), attributes: users[index].attributes,
                labels: users[index].labels,
                deviceCount: users[index].deviceCount, hasExternalID: users[index].hasExternalID)
        }
        return (planned, findings.numbers.mapValues { users.count - 1 - Int($0.rawValue) })
    }

    /// Writes what a plan comes to. What would break a constraint traps.
    mutating func apply(_ planned: [PlannedUser]) {
        for user in planned where user.isChanged || user.number == nil {
            let number = user.number ?? UserNumber(rawValue: UInt32(users.count))
            if user.number == nil { users.append(StoredUser()) }
            if let id = user.externalID {
                users[Int(number.rawValue)].hasExternalID = true
                add(.externalID(id), number)
            }
            for alias in user.newAliases {
                precondition(
                    users[Int(number.rawValue)].labels.insert(alias.label).inserted, "two names under one label")
                add(.alias(alias), number)
            }
            for device in user.newDevices { add(.deviceID(device), number) }
            users[Int(number.rawValue)].deviceCount += user.newDevices.count
            precondition(users[Int(number.rawValue)].labels.count <= Limits.aliasesPerUser.value, "too many aliases")
            precondition(users[Int(number.rawValue)].deviceCount <= Limits.devicesPerUser.value, "too many devices")
            if let json = user.changedAttributes { users[Int(number.rawValue)].attributes = checkedAttributes(json) }
        }
    }

    private mutating func add(_ identifier: UserReference, _ number: UserNumber) {
        precondition(numbers.updateValue(number, forKey: identifier) == nil, "two users have an identifier")
    }
}

/// The attributes of a user, which the column and its checks would take.
func checkedAttributes(_ json: [UInt8]) -> AttributesByName {
    precondition(json.count <= Limits.attributesBytes.value, "too many bytes of attributes")
    let attributes = must { try Attributes(stored: json) }
    precondition(attributes.entries.count <= Limits.attributesPerUser.value, "too many attributes")
    for entry in attributes.entries {
        precondition(entry.value != .null, "null is stored")
        precondition((1...Limits.attributeNameBytes.value).contains(entry.name.count), "a name of a wrong length")
        precondition(entry.value.storageProblem == nil, "a value that PostgreSQL can't store")
        if let kind = ContactKind(attribute: entry.name) {
            precondition(kind.normalized(entry.value) == entry.value, "a contact that is not in its stored form")
        }
    }
    var again = attributes.byName
    precondition(!again.merge(attributes.entries), "merging what is there changes it")
    return again
}
