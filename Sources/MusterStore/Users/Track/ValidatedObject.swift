import MusterProtocol

/// An object of `users.track`, judged by itself: nothing of this depends on what is stored.
struct ValidatedObject: Sendable {
    enum TrackedEvent: Sendable {
        case event(name: Identifier, at: Instant, properties: RawJSON?)
        case purchase(
            productID: Identifier, currency: String, price: Double, quantity: Int, at: Instant, properties: RawJSON?)
    }

    let inputArray: TrackError.InputArray
    let index: Int
    let user: UserReference
    /// Whether the user is made where there is none.
    let makesUser: Bool
    let devices: [Identifier]
    let changes: [AttributeChange]
    /// Fields that are refused for themselves: the others are applied.
    let refused: [TrackRefusal]
    let event: TrackedEvent?

    /// Throws `TrackRefusal`.
    init(_ object: Attributes, in inputArray: TrackError.InputArray, at index: Int) throws {
        (self.inputArray, self.index) = (inputArray, index)
        let fields = TrackedFields(object)
        let isOfAttributes = inputArray == .attributes
        var refused: [TrackRefusal] = []
        devices = isOfAttributes ? fields.devices(&refused) : []
        user = try isOfAttributes ? fields.user(orDevice: devices.first) : fields.user()
        makesUser = try fields.makes(user)
        changes = try isOfAttributes ? fields.changes(&refused) : []
        self.refused = refused
        if changes.isEmpty, devices.isEmpty, let refusal = refused.first { throw refusal }
        event = try fields.trackedEvent(of: inputArray)
    }
}

extension TrackedFields {
    fileprivate func trackedEvent(of inputArray: TrackError.InputArray) throws -> ValidatedObject.TrackedEvent? {
        switch inputArray {
        case .attributes: nil
        case .events:
            try .event(name: required("name"), at: moment("time"), properties: properties())
        case .purchases: try purchase()
        }
    }

    private func purchase() throws -> ValidatedObject.TrackedEvent {
        let (productID, currency) = (try required("product_id"), try currency())
        let (price, quantity) = (try price(), try quantity())
        guard NewPurchase.amount(of: quantity, at: price) != nil else {
            let limit = Limits.purchaseAmount
            throw TrackRefusal(
                type: "'price' is not valid: times 'quantity' it is over \(limit.described)")
        }
        return .purchase(
            productID: productID, currency: currency, price: price, quantity: quantity, at: try moment("time"),
            properties: try properties())
    }
}

extension TrackedFields {
    /// An object without an identifier that brings a push token means who has its device.
    fileprivate func user(orDevice device: Identifier?) throws -> UserReference {
        guard try flag("push_token_import") == true else { return try user() }
        do { return try user() } catch is TrackRefusal {
            guard let device else {
                throw TrackRefusal(
                    type: "'push_token_import' needs a 'device_id' in 'push_tokens': tokens are not kept")
            }
            return .deviceID(device)
        }
    }

    fileprivate func currency() throws -> String {
        let text = try required("currency").text
        guard text.utf8.count == 3, text.utf8.allSatisfy({ ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }) else {
            throw TrackRefusal.invalid("currency")
        }
        return text.uppercased()
    }

    fileprivate func quantity() throws -> Int {
        let limit = Limits.purchaseQuantity
        switch self["quantity"] {
        case nil: return 1
        case .integer(let number) where (1...Int64(limit.value)).contains(number): return Int(number)
        default:
            throw TrackRefusal(
                type: "'quantity' is not valid: it must be a whole number from 1 to \(limit.described)")
        }
    }

    /// The devices of push tokens; none where those can't be read, which is then among `refused`.
    fileprivate func devices(_ refused: inout [TrackRefusal]) -> [Identifier] {
        do { return try readDevices() } catch {
            refused.append(error as? TrackRefusal ?? TrackRefusal.invalid("push_tokens"))
            return []
        }
    }

    private func readDevices() throws -> [Identifier] {
        guard let value = self["push_tokens"] else { return [] }
        guard let tokens = try value.elements() else { throw TrackRefusal.invalid("push_tokens") }
        return try tokens.compactMap { token in
            guard let fields = try token.asObject.map(TrackedFields.init) else {
                throw TrackRefusal.invalid("push_tokens")
            }
            do { return try fields.identifier("device_id") } catch is TrackRefusal {
                throw TrackRefusal.invalid("push_tokens")
            }
        }
    }
}

// MARK: Attributes

extension TrackedFields {
    /// Fields that name the user or say how the object is meant.
    private static let others: Set<[UInt8]> = Set(
        [
            "external_id", "user_alias", "braze_id", "_update_existing_only", "_merge_objects", "push_tokens",
            "push_token_import",
        ].map { Array($0.utf8) })

    /// The changes of attributes that the object asks for; what is wrong with the fields that ask for none is then
    /// among `refused`. An address that is wrong is the whole object's error, since it may be who is meant.
    fileprivate func changes(_ refused: inout [TrackRefusal]) throws -> [AttributeChange] {
        var changes: [AttributeChange] = []
        // Nil where the field can't be read: then it is unknown how objects are meant, and the rest is applied.
        var merges: Bool?
        do { merges = try looseFlag("_merge_objects") ?? false } catch let refusal as TrackRefusal {
            refused.append(refusal)
        }
        for entry in entries where !Self.others.contains(entry.name) {
            do { changes.append(try change(entry, merges: merges)) } catch let refusal as TrackRefusal {
                if entry.name == Array("email".utf8) || entry.name == Array("phone".utf8) { throw refusal }
                refused.append(refusal)
            }
        }
        return changes
    }

    /// - Parameter merges: as `_merge_objects` says; nil where that can't be read.
    private func change(_ entry: Attributes.Entry, merges: Bool?) throws -> AttributeChange {
        guard !entry.name.contains(0) else {
            throw TrackRefusal(type: "the name of an attribute \(AttributeValue.unusableText)")
        }
        guard (1...Limits.attributeNameBytes.value).contains(entry.name.count) else {
            let limit = Limits.attributeNameBytes
            throw TrackRefusal(type: "the name of an attribute must have 1 to \(limit.described)")
        }
        let name = String(decoding: entry.name, as: UTF8.self)
        if let problem = entry.value.storageProblem {
            throw TrackRefusal(type: "'\(name)' is not valid: it \(problem)")
        }
        return AttributeChange(entry.name, try operation(entry.value, name, merges: merges))
    }

    private func operation(
        _ value: AttributeValue, _ name: String, merges: Bool?
    ) throws -> AttributeChange.Operation {
        if let kind = ContactKind(attribute: name.utf8) {
            return .set(try contact(kind).map { .string($0.bytes) } ?? .null)
        }
        guard let merges else {
            if value == .strings([]) || value.isObject {
                throw TrackRefusal(type: "'\(name)' is not valid: '_merge_objects' doesn't say how it is meant")
            }
            return try operation(value, name, merges: false)
        }
        if merges, value == .strings([]) { return .merge(try RawJSON(encoding: [String]())) }
        if case .other(let json) = value, json.bytes.first == UInt8(ascii: "["), json.namesOperator {
            throw TrackRefusal.nestedOperator(name)
        }
        if let elements = try value.elements() { return .set(try AttributeValue(elements: elements.lastOfEach())) }
        guard case .other(let json) = value, let object = try json.asObject else { return .set(value) }
        let fields = TrackedFields(object)
        if let edit = try ObjectEdit(fields, of: name, merges: merges) { return .editObjects(edit) }
        let operation = try Self.operation(fields, name)
        guard !json.namesOperator else {
            throw TrackRefusal.nestedOperator(name)
        }
        return operation ?? (merges ? .merge(json) : .set(value))
    }

    /// What an object asks for that stands for no value.
    private static func operation(_ fields: TrackedFields, _ name: String) throws -> AttributeChange.Operation? {
        let names = Set(fields.entries.map(\.name))
        if names == [Array("inc".utf8)] {
            guard case .integer(let step) = fields["inc"] else { throw TrackRefusal.invalid(name) }
            return .increment(step)
        }
        if !names.isEmpty, names.isSubset(of: [Array("add".utf8), Array("remove".utf8)]) {
            return .edit(
                adding: try fields.elements("add", of: name), removing: try fields.elements("remove", of: name))
        }
        // Kept as a value it would take the place of what an operator that we don't know means to change. A time is a
        // value.
        if names.contains(where: { $0.first == UInt8(ascii: "$") && $0 != Array("$time".utf8) }) {
            throw TrackRefusal(
                type: "'\(name)' is not valid: of fields with $ only $add, $remove, $update and $time are known")
        }
        return nil
    }

    private func elements(_ field: String, of name: String) throws -> [RawJSON] {
        guard let value = self[field] else { return [] }
        guard let elements = try value.elements() else { throw TrackRefusal.invalid(name) }
        return elements
    }
}

extension AttributeValue {
    fileprivate var isObject: Bool {
        guard case .other(let json) = self else { return false }
        return json.bytes.first == UInt8(ascii: "{")
    }
}
