package import MusterProtocol

/// What an object of `events` or `purchases` of `users.track` adds.
package enum TrackedEvent: Sendable {
    /// An event.
    case event(name: Identifier, at: Instant, properties: RawJSON?)
    /// A purchase.
    case purchase(
        productID: Identifier, currency: String, price: Double, quantity: Int, at: Instant, properties: RawJSON?)
}

/// An object of `users.track`, validated without regard to what is stored.
package struct ValidatedObject: Sendable {
    let inputArray: TrackError.InputArray
    let index: Int
    package let user: UserReference
    /// Whether the object makes the user where there is none.
    let makesUser: Bool
    let devices: [Identifier]
    let changes: [AttributeChange]
    /// Fields that are refused; the other fields are applied.
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
    fileprivate func trackedEvent(of inputArray: TrackError.InputArray) throws -> TrackedEvent? {
        switch inputArray {
        case .attributes: nil
        case .events:
            try .event(name: required("name"), at: time("time"), properties: properties())
        case .purchases: try purchase()
        }
    }

    private func purchase() throws -> TrackedEvent {
        let (productID, currency) = (try required("product_id"), try currency())
        let (price, quantity) = (try price(), try quantity())
        guard NewPurchase.amount(of: quantity, at: price) != nil else {
            let limit = Limits.purchaseAmount
            throw TrackRefusal(
                type: "'price' is not valid: times 'quantity' it is over \(limit.described)")
        }
        return .purchase(
            productID: productID, currency: currency, price: price, quantity: quantity, at: try time("time"),
            properties: try properties())
    }
}

extension TrackedFields {
    /// An object with a push token and no identifier names the user of the token's device.
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

    /// The devices of push tokens. Where the tokens are not valid, there are none, and the error is added to `refused`.
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
