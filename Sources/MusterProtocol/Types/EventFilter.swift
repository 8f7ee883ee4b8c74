/// Tests a user's events of one name. Without a `count`: at least one.
public struct EventFilter: Codable, Sendable, Hashable {
    /// The name of the event, compared byte by byte.
    public var name: Identifier
    /// The number of events; 0 for a user without any.
    public var count: CountTest?
    /// Counts only events of the last so many periods of 24 hours.
    public var withinDays: Int?
    /// Counts only events after this time.
    public var after: Instant?
    /// Counts only events before this time.
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

/// Tests a user's purchases; every given test must hold. Without `count`, `total_spent` and `last_purchase`: at least
/// one purchase.
public struct PurchaseFilter: Codable, Sendable, Hashable {
    /// Counts only purchases of this product, compared byte by byte.
    public var productID: Identifier?
    /// Counts only purchases in this currency, such as `EUR`.
    public var currency: String?
    /// The number of purchases, regardless of their quantities; 0 for a user without any.
    public var count: CountTest?
    /// The sum of price times quantity; amounts in different currencies are added unconverted. 0 for a user without
    /// purchases.
    public var totalSpent: AmountTest?
    /// The time of the last purchase; no test holds for a user without any.
    public var lastPurchase: TimeTest?
    /// Counts only purchases of the last so many periods of 24 hours.
    public var withinDays: Int?
    /// Counts only purchases after this time.
    public var after: Instant?
    /// Counts only purchases before this time.
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

/// A count, compared with a whole number.
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

/// A time before or after another one, never equal to it.
public struct TimeTest: Codable, Sendable, Hashable {
    public var comparison: TimeComparison
    public var value: Instant

    enum CodingKeys: String, CodingKey, CaseIterable { case comparison, value }

    public init(_ comparison: TimeComparison, _ value: Instant) {
        (self.comparison, self.value) = (comparison, value)
    }
}

/// Comparisons of numbers, by Braze's names.
public enum NumberComparison: String, Codable, Sendable, CaseIterable {
    case equals
    case notEqual = "not_equal"
    case greaterThan = "greater_than"
    case greaterThanOrEqualTo = "greater_than_or_equal_to"
    case lessThan = "less_than"
    case lessThanOrEqualTo = "less_than_or_equal_to"

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}

/// Comparisons of times, by Braze's names.
public enum TimeComparison: String, Codable, Sendable, CaseIterable {
    case before, after

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
