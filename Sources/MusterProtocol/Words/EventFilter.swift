/// A test of what a user did under one name. Without a `count`: at least once.
public struct EventFilter: Codable, Sendable, Hashable {
    /// Of the event, compared byte by byte.
    public var name: Identifier
    /// How often; 0 for a user who never did it.
    public var count: CountTest?
    /// Only events of the last so many days of 24 hours count.
    public var withinDays: Int?
    /// Only events after this moment count.
    public var after: Instant?
    /// Only events before this moment count.
    public var before: Instant?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, count
        case withinDays = "within_days"
        case after, before
    }

    public init(
        name: Identifier, count: CountTest? = nil, withinDays: Int? = nil, after: Instant? = nil,
        before: Instant? = nil
    ) {
        (self.name, self.count) = (name, count)
        (self.withinDays, self.after, self.before) = (withinDays, after, before)
    }
}

/// A test of what a user bought: every one that is given must hold. With none of `count`, `total_spent` and `last_purchase`: at
/// least one purchase.
public struct PurchaseFilter: Codable, Sendable, Hashable {
    /// Only purchases of this product count, compared byte by byte.
    public var productID: Identifier?
    /// Only purchases in this currency count, such as `EUR`.
    public var currency: String?
    /// How many purchases, whatever their quantity; 0 for a user without any.
    public var count: CountTest?
    /// The sum of price times quantity, amounts in different currencies added as they are; 0 for a user without purchases.
    public var totalSpent: AmountTest?
    /// When the last one was; no test holds for a user without any.
    public var lastPurchase: TimeTest?
    /// Only purchases of the last so many days of 24 hours count.
    public var withinDays: Int?
    /// Only purchases after this moment count.
    public var after: Instant?
    /// Only purchases before this moment count.
    public var before: Instant?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case productID = "product_id"
        case currency, count
        case totalSpent = "total_spent"
        case lastPurchase = "last_purchase"
        case withinDays = "within_days"
        case after, before
    }

    public init(
        productID: Identifier? = nil, currency: String? = nil, count: CountTest? = nil, totalSpent: AmountTest? = nil,
        lastPurchase: TimeTest? = nil, withinDays: Int? = nil, after: Instant? = nil, before: Instant? = nil
    ) {
        (self.productID, self.currency) = (productID, currency)
        (self.count, self.totalSpent, self.lastPurchase) = (count, totalSpent, lastPurchase)
        (self.withinDays, self.after, self.before) = (withinDays, after, before)
    }
}

/// How often, compared with a whole number.
public struct CountTest: Codable, Sendable, Hashable {
    public var comparison: NumberComparison
    public var value: Int

    enum CodingKeys: String, CodingKey, CaseIterable { case comparison, value }

    public init(_ comparison: NumberComparison, _ value: Int) {
        (self.comparison, self.value) = (comparison, value)
    }
}

/// An amount of money in units of its currency, compared to the millionth.
public struct AmountTest: Codable, Sendable, Hashable {
    public var comparison: NumberComparison
    public var value: Double

    enum CodingKeys: String, CodingKey, CaseIterable { case comparison, value }

    public init(_ comparison: NumberComparison, _ value: Double) {
        (self.comparison, self.value) = (comparison, value)
    }
}

/// A moment, before or after another one; never at it.
public struct TimeTest: Codable, Sendable, Hashable {
    public var comparison: TimeComparison
    public var value: Instant

    enum CodingKeys: String, CodingKey, CaseIterable { case comparison, value }

    public init(_ comparison: TimeComparison, _ value: Instant) {
        (self.comparison, self.value) = (comparison, value)
    }
}

/// How numbers are compared, by Braze's names.
public enum NumberComparison: String, Codable, Sendable, CaseIterable {
    case equals
    case notEqual = "not_equal"
    case greaterThan = "greater_than"
    case greaterThanOrEqualTo = "greater_than_or_equal_to"
    case lessThan = "less_than"
    case lessThanOrEqualTo = "less_than_or_equal_to"

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}

/// How moments are compared, by Braze's names.
public enum TimeComparison: String, Codable, Sendable, CaseIterable {
    case before, after

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
