package import MusterProtocol

/// What a batch of objects changes. Objects are applied in memory, in order, each to the result of those before it.
package struct TrackPlan {
    package private(set) var users: [PlannedUser]
    /// Errors of objects that are refused, and of single fields of objects that are applied.
    package private(set) var errors: (objects: [TrackError], fields: [TrackError]) = ([], [])
    /// Events and purchases, each with the index of its user in `users`.
    package private(set) var events: [(index: Int, event: TrackedEvent)] = []
    private var holders: [UserReference: Int]

    /// - Parameters:
    ///   - users: the stored users that objects name.
    ///   - holders: whom each identifier of the batch finds: an index in `users`, or `UpsertPlan.somebodyElse`.
    package init(_ objects: [ValidatedObject], users: [PlannedUser], holders: [UserReference: Int]) throws {
        self.users = users
        self.holders = holders
        for object in objects {
            do { try apply(object) } catch let refusal as TrackRefusal {
                errors.objects.append(TrackError(refusal.type, in: object.inputArray, at: object.index))
            }
        }
    }

    /// Applies all of an object or nothing, except for attributes of another kind than their change needs: those are
    /// left out. The changes are made to a copy of the user.
    private mutating func apply(_ object: ValidatedObject) throws {
        let index = holders[object.user]
        guard index != nil || object.makesUser else { return }
        var user = index.map { users[$0] } ?? PlannedUser()
        if index == nil { try user.take(object.user) }
        let devices = object.devices.filter { holders[.deviceID($0)] == nil && .deviceID($0) != object.user }
        for device in devices { try user.take(.deviceID(device)) }
        let refused = try object.refused + user.apply(object.changes)
        let new = index ?? users.count
        if index == nil { users.append(user) } else { users[new] = user }
        for identifier in [object.user] + devices.map(UserReference.deviceID) { holders[identifier] = new }
        noteContacts(of: object.changes, at: new)
        errors.fields += refused.map { TrackError($0.type, in: object.inputArray, at: object.index) }
        if let event = object.event { events.append((new, event)) }
    }

    /// Lets the objects that follow find a user by an e-mail address or telephone number that this one adds, unless
    /// an identified user has it and this user is anonymous.
    private mutating func noteContacts(of changes: [AttributeChange], at index: Int) {
        for change in changes {
            guard case .set(.string(let text)) = change.operation else { continue }
            let contact = Contact(Identifier(bytes: text))
            let reference: UserReference
            switch String(decoding: change.name, as: UTF8.self) {
            case "email": reference = .email(contact)
            case "phone": reference = .phone(contact)
            default: continue
            }
            if let holder = holders[reference], holder >= 0, users[holder].isIdentified, !users[index].isIdentified {
                continue
            }
            holders[reference] = index
        }
    }
}

extension PlannedUser {
    /// Adds an identifier to the user; an e-mail address and a telephone number are attributes.
    fileprivate mutating func take(_ reference: UserReference) throws {
        switch reference {
        case .email(let contact):
            _ = try apply([AttributeChange(Array("email".utf8), .set(.string(contact.value.bytes)))])
        case .phone(let contact):
            _ = try apply([AttributeChange(Array("phone".utf8), .set(.string(contact.value.bytes)))])
        default:
            if let refusal = add(reference) { throw TrackRefusal(type: refusal.problem) }
        }
    }

    /// Applies changes; returns the errors of those that do not fit. Throws where none fits, or where the user would
    /// have too many attributes even without the nested ones.
    fileprivate mutating func apply(_ changes: [AttributeChange]) throws -> [TrackRefusal] {
        let before = self
        do { return try applyAll(changes) } catch UserRefusal.tooMany(let limit) {
            let nested = changes.filter(\.isNested)
            let plain = changes.filter { !$0.isNested }
            guard !nested.isEmpty, !plain.isEmpty else { throw TrackRefusal(type: Self.tooMany(limit)) }
            self = before
            do {
                return try applyAll(plain) + nested.map { .incompatible($0.name, "with it \(Self.tooMany(limit))") }
            } catch UserRefusal.tooMany(let limit) { throw TrackRefusal(type: Self.tooMany(limit)) }
        }
    }

    private mutating func applyAll(_ changes: [AttributeChange]) throws -> [TrackRefusal] {
        let refused = try change(changes).map { TrackRefusal.incompatible($0.name, $0.problem) }
        if !refused.isEmpty, refused.count == changes.count { throw refused[0] }
        return refused
    }
}

extension TrackRefusal {
    fileprivate static func incompatible(_ attribute: [UInt8], _ problem: String) -> TrackRefusal {
        TrackRefusal(type: "'\(String(decoding: attribute, as: UTF8.self))' is not valid: \(problem)")
    }
}
