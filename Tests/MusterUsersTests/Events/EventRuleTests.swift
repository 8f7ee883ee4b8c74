import MusterProtocol
import MusterUsers
import Testing

@Suite struct EventRuleTests {
    @Test func amountsAreExactAndBounded() {
        #expect(Amount(0.1)?.millionths == 100_000)
        #expect(Amount(29.33)?.millionths == 29_330_000)
        #expect(Amount(1e9) != nil)
        #expect(Amount(1.000_001e9) == nil)
        #expect(Amount(.nan) == nil)
        #expect(Amount(.infinity) == nil)
        #expect(NewPurchase.amount(of: 2, at: 1e9) == nil)
        #expect(NewPurchase.amount(of: 0, at: 1) == nil)
        #expect(NewPurchase.amount(of: 100, at: 0.000_001)?.millionths == 100)
        #expect(Amount(millionths: .max).adding(Amount(millionths: 1)).millionths == .max)
        #expect(Amount(millionths: -.max).adding(Amount(millionths: -.max)).millionths == -.max)
    }

    @Test(arguments: [
        (NumberComparison.equals, 0, true), (.equals, 1, false), (.notEqual, 0, false), (.notEqual, 1, true),
        (.greaterThan, 0, false), (.greaterThanOrEqualTo, 0, true), (.lessThan, 1, true), (.lessThan, 0, false),
        (.lessThanOrEqualTo, 0, true),
    ])
    func usersWithoutEventsPassByTheCount(comparison: NumberComparison, value: Int, passes: Bool) {
        let leaf = EventLeaf.event(EventFilter(name: "login", count: CountTest(comparison, value)))
        #expect(leaf.passesWithoutAny == passes)
    }

    @Test func aTestOfPurchasesLooksAtThoseInItsWindow() {
        let filter = PurchaseFilter(
            productID: "cd", totalSpent: AmountTest(.lessThan, 9.5), withinDays: 2, after: Instant(microseconds: 0))
        let now = Instant(microseconds: 0) + .days(10)
        let test = EventTest(.purchase(filter), now: now)
        #expect(test.table == .purchasesOfProduct)
        #expect(test.after == Instant(microseconds: 0) + .days(8))
        #expect(test.before == .latest)
        #expect(test.passesWithoutAny)
        #expect(test.total.contains(9_499_999) && !test.total.contains(9_500_000))
        #expect(EventTest(.purchase(PurchaseFilter()), now: now).table == .purchases)
    }

    /// A filter that no handler has checked looks back as far as there are times, and no further.
    @Test func noWindowIsTooLong() {
        let filter = EventFilter(name: "login", withinDays: .max)
        #expect(EventTest(.event(filter), now: .earliest).after == .earliest)
        #expect(EventTest(.event(filter), now: .latest).after == .earliest)
    }
}
