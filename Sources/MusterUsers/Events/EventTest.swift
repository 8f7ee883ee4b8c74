package import MusterProtocol

/// A leaf of a filter over events or purchases, as an operand of plans.
///
/// Only users with an event that counts have rows. The operand is therefore the set of those among them whose answer
/// differs from that of users without events. The leaf is this set, or its complement where users without events pass.
package enum EventLeaf: Hashable, Sendable {
    /// A leaf over events of one name.
    case event(EventFilter)
    /// A leaf over purchases, of one product or of all.
    case purchase(PurchaseFilter)

    /// Whether users without an event that counts pass, at any time of asking.
    package var passesWithoutAny: Bool { EventTest(self, now: .latest).passesWithoutAny }

    /// How many days before the time of asking count; nil where the answer does not depend on that time.
    package var withinDays: Int? {
        switch self {
        case .event(let event): event.withinDays
        case .purchase(let purchase): purchase.withinDays
        }
    }
}

/// What a leaf asks of rows: which ones count, and what must hold of those of one user.
package struct EventTest: Sendable {
    /// Which rows of which table; an index for each finds them.
    package enum Table: Sendable { case events, purchasesOfProduct, purchases }

    package let table: Table
    /// The event's name or the product's id; empty for all purchases.
    package private(set) var name = Identifier("")
    /// Empty: any.
    package private(set) var currency = ""
    /// Only what lies between these counts; both excluded.
    package let (after, before): (Instant, Instant)
    /// How many rows must count.
    package let count: NumberRange
    /// What the amounts must sum up to, in millionths.
    package private(set) var total = NumberRange.all
    /// Where the last one must lie; both included.
    package private(set) var (lastFrom, lastTo) = (Instant.earliest, Instant.latest)
    private var testsLast = false

    /// The test of a leaf, asked for at a moment.
    package init(_ leaf: EventLeaf, now: Instant) {
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

    /// Whether users without a row that counts pass.
    package var passesWithoutAny: Bool { count.contains(0) && total.contains(0) && !testsLast }

    /// More than lie between the times that can be written.
    private static let maxDays = 4_000_000

    private static func window(
        _ days: Int?, _ after: Instant?, _ before: Instant?, _ now: Instant
    ) -> (after: Instant, before: Instant) {
        let begins = days.map { now - .days(min(max($0, 0), maxDays)) } ?? .earliest
        return (max(begins, after ?? .earliest), before ?? .latest)
    }
}

extension Instant {
    /// Before every time that can be written.
    package static let earliest = Instant(microseconds: -62_200_000_000_000_000)
    /// After every time that can be written.
    package static let latest = Instant(microseconds: 253_500_000_000_000_000)
}
