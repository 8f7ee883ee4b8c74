import MusterProtocol

/// A leaf of a filter over events or purchases, as an operand of plans.
///
/// Only users with at least one event that counts have a row to find them by. So the operand is the set of those among them whose answer
/// differs from that of users without any, and the leaf is this set, or its opposite where users without any pass.
enum EventLeaf: Hashable, Sendable {
    case event(EventFilter)
    case purchase(PurchaseFilter)

    /// Whether users without any event that counts pass, whenever they are asked for.
    var passesWithoutAny: Bool { EventTest(self, now: .latest).passesWithoutAny }

    /// Where the answer depends on the time of asking: how far back it looks.
    var withinDays: Int? {
        switch self {
        case .event(let event): event.withinDays
        case .purchase(let purchase): purchase.withinDays
        }
    }
}

/// A leaf made ready for PostgreSQL: which rows count, and what must hold of a user's.
struct EventTest: Sendable {
    /// Which rows of which table, and so by which index they are found.
    enum Table { case events, purchasesOfProduct, purchases }

    let table: Table
    /// The event's name or the product's id; empty for all purchases.
    var name = Identifier("")
    /// Empty: any.
    var currency = ""
    /// Only what lies between these counts; both excluded.
    let (after, before): (Instant, Instant)
    let count: NumberRange
    var total = NumberRange.all
    /// Where the last one must lie; both included.
    var (lastFrom, lastTo) = (Instant.earliest, Instant.latest)
    var testsLast = false

    init(_ leaf: EventLeaf, now: Instant) {
        switch leaf {
        case .event(let event):
            (table, name) = (.events, event.name)
            count = event.count.map(NumberRange.init) ?? .any
            (after, before) = Self.window(event.withinDays, event.after, event.before, now)
        case .purchase(let purchase):
            table = purchase.productID == nil ? .purchases : .purchasesOfProduct
            name = purchase.productID ?? name
            currency = purchase.currency ?? ""
            let isTested = purchase.totalSpent != nil || purchase.lastPurchase != nil
            count = purchase.count.map(NumberRange.init) ?? (isTested ? .all : .any)
            total = purchase.totalSpent.map(NumberRange.init) ?? .all
            testsLast = purchase.lastPurchase != nil
            (after, before) = Self.window(purchase.withinDays, purchase.after, purchase.before, now)
            switch purchase.lastPurchase?.comparison {
            case .before: lastTo = purchase.lastPurchase.map { $0.value - .microseconds(1) } ?? lastTo
            case .after: lastFrom = purchase.lastPurchase.map { $0.value + .microseconds(1) } ?? lastFrom
            case nil: break
            }
        }
    }

    /// Whether users without any row that counts pass.
    var passesWithoutAny: Bool { count.contains(0) && total.contains(0) && !testsLast }

    private static func window(
        _ days: Int?, _ after: Instant?, _ before: Instant?, _ now: Instant
    ) -> (after: Instant, before: Instant) {
        let begins = days.map { now - .days($0) } ?? .earliest
        return (max(begins, after ?? .earliest), before ?? .latest)
    }
}

/// Whole numbers that pass a comparison: those from one to another, or all but those.
struct NumberRange: Sendable, Equatable {
    var low = Int64.min
    var high = Int64.max
    var isNegated = false

    static let all = NumberRange()
    /// At least one.
    static let any = NumberRange(low: 1)

    init(low: Int64 = .min, high: Int64 = .max, isNegated: Bool = false) {
        (self.low, self.high, self.isNegated) = (low, high, isNegated)
    }

    init(_ comparison: NumberComparison, _ value: Int64) {
        switch comparison {
        case .equals: self.init(low: value, high: value)
        case .notEqual: self.init(low: value, high: value, isNegated: true)
        case .greaterThan: self.init(low: value &+ 1)
        case .greaterThanOrEqualTo: self.init(low: value)
        case .lessThan: self.init(high: value &- 1)
        case .lessThanOrEqualTo: self.init(high: value)
        }
    }

    init(_ test: CountTest) { self.init(test.comparison, Int64(test.value)) }

    init(_ test: AmountTest) { self.init(test.comparison, Amount.nearest(to: test.value).millionths) }

    func contains(_ number: Int64) -> Bool { (low <= number && number <= high) != isNegated }
}

extension Instant {
    /// Before and after every time that can be written.
    static let earliest = Instant(microseconds: -62_200_000_000_000_000)
    static let latest = Instant(microseconds: 253_500_000_000_000_000)
}
