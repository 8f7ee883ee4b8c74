public import MusterProtocol

/// Something that a user did, to be stored.
public struct NewEvent: Sendable {
    /// Of a user who exists: whoever appends has resolved it and holds the identity row.
    public var userNumber: Int32
    /// 1 to 1,024 bytes.
    public var name: Identifier
    /// At most `Limits.eventLead` after now.
    public var occurredAt: Instant
    /// A JSON object, kept as it is; nothing looks into it.
    public var properties: RawJSON?

    public init(userNumber: Int32, name: Identifier, occurredAt: Instant, properties: RawJSON? = nil) {
        (self.userNumber, self.name, self.occurredAt, self.properties) = (userNumber, name, occurredAt, properties)
    }
}

/// Some of one product that a user bought, to be stored.
public struct NewPurchase: Sendable {
    /// Of a user who exists: whoever appends has resolved it and holds the identity row.
    public var userNumber: Int32
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

    public init(
        userNumber: Int32, productID: Identifier, currency: String, price: Double, quantity: Int = 1,
        occurredAt: Instant, properties: RawJSON? = nil
    ) {
        (self.userNumber, self.productID, self.currency) = (userNumber, productID, currency)
        (self.price, self.quantity, self.occurredAt) = (price, quantity, occurredAt)
        self.properties = properties
    }

    /// Price times quantity; nil where it is more than can be stored, or no number.
    public var amount: Amount? { Self.amount(of: quantity, at: price) }

    /// So many at a price; nil where that is more than can be stored, or no number.
    static func amount(of quantity: Int, at price: Double) -> Amount? {
        guard let one = Amount(price), let quantity = Int32(exactly: quantity), quantity > 0 else { return nil }
        return one.times(quantity)
    }
}

/// An amount of money, counted in whole millionths of the currency's unit: sums are exact and don't depend on their order, which
/// sums of binary fractions do.
public struct Amount: Sendable, Hashable, Comparable {
    public let millionths: Int64

    private static let most = Int64(Limits.purchaseAmount.value) * 1_000_000

    init(millionths: Int64) { self.millionths = millionths }

    /// To the nearest millionth; nil for what is no number or beyond ±10^9.
    public init?(_ units: Double) {
        guard abs(units) <= Double(Limits.purchaseAmount.value) else { return nil }
        self = .nearest(to: units)
    }

    /// To the nearest millionth; what is no number is 0, what is out of range the range's end.
    static func nearest(to units: Double) -> Amount {
        Amount(millionths: Int64(exactly: (units * 1_000_000).rounded()) ?? (units > 0 ? .max : units < 0 ? -.max : 0))
    }

    /// In units of the currency.
    public var units: Double { Double(millionths) / 1_000_000 }

    public static func < (left: Self, right: Self) -> Bool { left.millionths < right.millionths }

    /// Where the sum is out of range, the range's end.
    func adding(_ other: Amount) -> Amount {
        let (sum, overflow) = millionths.addingReportingOverflow(other.millionths)
        guard overflow else { return Amount(millionths: sum) }
        return Amount(millionths: millionths < 0 ? -.max : .max)
    }

    fileprivate func times(_ count: Int32) -> Amount? {
        let (product, overflow) = millionths.multipliedReportingOverflow(by: Int64(count))
        return overflow || abs(product) > Self.most ? nil : Amount(millionths: product)
    }
}

/// An event or purchase whose fields nobody has judged: it can't be stored.
struct UnvalidatedEvent: Error {}
