import MusterProtocol

/// What a batch of objects does: each is applied in memory, in order, on what those before it left. It knows no database.
struct TrackPlan {
    private(set) var users: [PlannedUser]
    /// What is wrong with whole objects, and with single fields of objects that were applied.
    private(set) var errors: (objects: [TrackError], fields: [TrackError]) = ([], [])
    /// What users did, each with its index in `users`.
    private(set) var events: [(index: Int, event: ValidatedObject.TrackedEvent)] = []
    private var holders: [UserReference: Int]

    /// - Parameters:
    ///   - users: the stored users that objects mean.
    ///   - holders: whom each identifier of the batch finds: an index in `users`, or `UpsertPlan.somebodyElse`.
    init(_ objects: [ValidatedObject], users: [PlannedUser], holders: [UserReference: Int]) throws {
        self.users = users
        self.holders = holders
        for object in objects {
            do { try apply(object) } catch let refusal as TrackRefusal {
                errors.objects.append(TrackError(refusal.type, in: object.inputArray, at: object.index))
            }
        }
    }

    /// All of an object or nothing, but for attributes that are of another kind than their change needs: those are left
    /// out. The user is worked on in a copy.
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

    /// An e-mail address or telephone number that the batch gives a user finds it in the objects that follow, unless it finds
    /// somebody who goes before.
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
    /// Gives a user that is made, or gets a device, what names it: an e-mail address and a telephone number are attributes.
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

    /// Returns what is wrong with the attributes that could not be changed. Throws where none could, or the user would
    /// have too many even without those that are nested.
    fileprivate mutating func apply(_ changes: [AttributeChange]) throws -> [TrackRefusal] {
        let before = self
        do { return try applyAll(changes) } catch UserRefusal.tooMany(let limit) {
            let nested = changes.filter(\.isNested)
            let plain = changes.filter { !$0.isNested }
            guard !nested.isEmpty, !plain.isEmpty else { throw TrackRefusal(type: Self.tooMany(limit)) }
            self = before
            do {
                return try applyAll(plain) + nested.map { .unfit($0.name, "with it \(Self.tooMany(limit))") }
            } catch UserRefusal.tooMany(let limit) { throw TrackRefusal(type: Self.tooMany(limit)) }
        }
    }

    private mutating func applyAll(_ changes: [AttributeChange]) throws -> [TrackRefusal] {
        let refused = try change(changes).map { TrackRefusal.unfit($0.name, $0.problem) }
        if !refused.isEmpty, refused.count == changes.count { throw refused[0] }
        return refused
    }
}

extension TrackRefusal {
    fileprivate static func unfit(_ attribute: [UInt8], _ problem: String) -> TrackRefusal {
        TrackRefusal(type: "'\(String(decoding: attribute, as: UTF8.self))' is not valid: \(problem)")
    }
}
