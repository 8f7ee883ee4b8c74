public import MusterProtocol

/// Something that a user did, to be stored.
public struct NewEvent: Sendable {
    /// Of a user who exists: the caller has resolved it and holds the head of identity.
    public var userNumber: UserNumber
    /// 1 to 1,024 bytes.
    public var name: Identifier
    /// At most `Limits.eventLead` after now.
    public var occurredAt: Instant
    /// A JSON object, kept as it is; nothing looks into it.
    public var properties: RawJSON?

    /// An event of a user.
    public init(userNumber: UserNumber, name: Identifier, occurredAt: Instant, properties: RawJSON? = nil) {
        (self.userNumber, self.name, self.occurredAt, self.properties) = (userNumber, name, occurredAt, properties)
    }
}

/// Some of one product that a user bought, to be stored.
public struct NewPurchase: Sendable {
    /// Of a user who exists: the caller has resolved it and holds the head of identity.
    public var userNumber: UserNumber
    /// 1 to 1,024 bytes.
    public var productID: Identifier
    /// ISO 4217, three capital letters.
    public var currency: String
    /// Of one, in units of the currency; may be negative, as for a refund. Kept to the millionth.
    public var price: Double
    /// From 1.
    public var quantity: Int
    /// At most `Limits.eventLead` after now.
    public var occurredAt: Instant
    /// A JSON object, kept as it is; nothing looks into it.
    public var properties: RawJSON?

    /// A purchase of a user.
    public init(
        userNumber: UserNumber, productID: Identifier, currency: String, price: Double, quantity: Int = 1,
        occurredAt: Instant, properties: RawJSON? = nil
    ) {
        (self.userNumber, self.productID, self.currency) = (userNumber, productID, currency)
        (self.price, self.quantity, self.occurredAt) = (price, quantity, occurredAt)
        self.properties = properties
    }

    /// Price times quantity; nil where it is more than can be stored, or no number.
    public var amount: Amount? { Self.amount(of: quantity, at: price) }

    /// So many at a price; nil where that is more than can be stored, or no number.
    package static func amount(of quantity: Int, at price: Double) -> Amount? {
        guard let one = Amount(price), let quantity = Int32(exactly: quantity), quantity > 0 else { return nil }
        return one.times(quantity)
    }
}

/// An event or purchase that was not validated: its amount can't be stored.
package struct UnvalidatedEvent: Error {
    package init() {}
}
