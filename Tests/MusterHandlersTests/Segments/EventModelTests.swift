import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

@testable import MusterStore

/// Random filters over random histories, beside a list of deeds that is gone through one by one.
@Suite struct EventModelTests {
    @Test func everyFilterAgreesWithTheModel() async throws {
        let seed = TestSeed("Events")
        try await withMuster(users: EventModel.names) { muster in
            var model = EventModel(random: seed.random)
            for step in 0..<25 {
                try await change(&model, muster)
                for _ in 0..<4 {
                    let filter = model.randomFilter(depth: 2)
                    let expected = model.members(of: filter)
                    let found = try await muster.agreedMembers(of: filter, among: EventModel.names, pageSize: 11)
                    #expect(found == expected, "step \(step): \(filter)")
                    if found != expected { return }
                }
                if step == 12 { _ = try await muster.server.store.maintenance.maintainEventMonths(days: 0, at: .now) }
            }
        }
    }

    private func change(_ model: inout EventModel, _ muster: MusterUnderTest) async throws {
        switch Int.random(in: 0..<10, using: &model.random) {
        case 0 where model.users.count > 5:
            let (gone, kept) = model.randomPair()
            _ = try await muster.send(MergeUsers(merge: .externalID(gone), keep: .externalID(kept)))
            model.merge(gone, into: kept)
        case 1 where model.users.count > 5:
            let (gone, _) = model.randomPair()
            _ = try await muster.send(DeleteUsers(users: [.externalID(gone)]))
            model.delete(gone)
        default: try await muster.server.append(model.addDeeds())
        }
    }
}

/// The users, and all their events and purchases.
private struct EventModel {
    static let names: [Identifier] = (10..<40).map { Identifier("u-\($0)") }

    var random: SeededRandom
    private(set) var users = Set(names)
    private var deeds: [TrackedEvent] = []
    private let now = Instant.now

    init(random: SeededRandom) { self.random = random }

    mutating func randomPair() -> (Identifier, Identifier) {
        let two = users.sorted().shuffled(using: &random).prefix(2)
        return (two[0], two[1])
    }

    mutating func merge(_ gone: Identifier, into kept: Identifier) {
        for place in deeds.indices where deeds[place].user == gone { deeds[place].user = kept }
        users.remove(gone)
    }

    mutating func delete(_ gone: Identifier) {
        deeds.removeAll { $0.user == gone }
        users.remove(gone)
    }

    mutating func addDeeds() -> [TrackedEvent] {
        let all = users.sorted()
        let new = (0..<Int.random(in: 1...20, using: &random)).map { _ in
            TrackedEvent(
                user: all.randomElement(using: &random) ?? "", name: randomName(), time: randomTime(),
                price: Bool.random(using: &random) ? Double(Int.random(in: -20...200, using: &random)) / 10 : nil,
                currency: Bool.random(using: &random) ? "USD" : "EUR", quantity: Int.random(in: 1...3, using: &random))
        }
        deeds += new
        return new
    }

    private mutating func randomName() -> Identifier { ["a", "b", "c"].randomElement(using: &random) ?? "a" }

    /// Half a day beside every bound, so that the time that the test takes decides nothing: some in months that have a
    /// partition, some not.
    private mutating func randomTime() -> Instant {
        let days = [Int.random(in: 0...10, using: &random), Int.random(in: 0...400, using: &random), 10_000]
        return now.earlier(seconds: 86_400 * (Double(days.randomElement(using: &random) ?? 0) - 0.5))
    }

    private mutating func randomBound() -> Instant { randomTime().earlier(seconds: 43_200) }

    // MARK: Filters

    mutating func randomFilter(depth: Int) -> Filter {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
        case 0...1: .event(randomEvents())
        case 2...4: .purchase(randomPurchases())
        case 5: .all([randomFilter(depth: depth - 1), randomFilter(depth: depth - 1)])
        case 6: .any([randomFilter(depth: depth - 1), randomFilter(depth: depth - 1)])
        default: .not(randomFilter(depth: depth - 1))
        }
    }

    private mutating func randomEvents() -> EventFilter {
        var filter = EventFilter(name: randomName(), count: maybe { $0.randomCount() })
        (filter.withinDays, filter.after, filter.before) = randomWindow()
        return filter
    }

    private mutating func randomPurchases() -> PurchaseFilter {
        var filter = PurchaseFilter(
            productID: maybe { $0.randomName() }, currency: maybe { _ in "EUR" }, count: maybe { $0.randomCount() },
            totalSpent: maybe {
                .init($0.randomComparison(), Double(Int.random(in: -10...400, using: &$0.random)) / 10)
            },
            lastPurchase: maybe { .init(Bool.random(using: &$0.random) ? .before : .after, $0.randomBound()) })
        (filter.withinDays, filter.after, filter.before) = randomWindow()
        return filter
    }

    private mutating func maybe<Value>(_ value: (inout Self) -> Value) -> Value? {
        Int.random(in: 0..<3, using: &random) == 0 ? value(&self) : nil
    }

    private mutating func randomWindow() -> (Int?, Instant?, Instant?) {
        let days = maybe { Int.random(in: 1...12, using: &$0.random) }
        let (one, other) = (maybe { $0.randomBound() }, maybe { $0.randomBound() })
        guard let one, let other else { return (days, one, other) }
        return one == other ? (days, one, nil) : (days, min(one, other), max(one, other))
    }

    private mutating func randomComparison() -> NumberComparison {
        NumberComparison.allCases.randomElement(using: &random) ?? .equals
    }

    private mutating func randomCount() -> CountTest {
        CountTest(randomComparison(), Int.random(in: 0...3, using: &random))
    }

    // MARK: Truth

    func members(of filter: Filter) -> [Identifier] { users.filter { passes($0, filter) }.sorted() }

    private func passes(_ user: Identifier, _ filter: Filter) -> Bool {
        switch filter {
        case .all(let filters): return filters.allSatisfy { passes(user, $0) }
        case .any(let filters): return filters.contains { passes(user, $0) }
        case .not(let filter): return !passes(user, filter)
        case .event(let event):
            let meant = deeds.filter {
                $0.user == user && $0.price == nil && $0.name == event.name
                    && isMeant($0.time, event.withinDays, event.after, event.before)
            }
            return holds(event.count ?? .init(.greaterThan, 0), meant.count)
        case .purchase(let purchase): return passes(user, purchase)
        default: return false
        }
    }

    private func passes(_ user: Identifier, _ purchase: PurchaseFilter) -> Bool {
        let meant = deeds.filter { deed in
            guard deed.user == user, deed.price != nil else { return false }
            return (purchase.productID.map { $0 == deed.name } ?? true)
                && (purchase.currency.map { $0 == deed.currency } ?? true)
                && isMeant(deed.time, purchase.withinDays, purchase.after, purchase.before)
        }
        if purchase.count == nil, purchase.totalSpent == nil, purchase.lastPurchase == nil { return !meant.isEmpty }
        if let count = purchase.count, !holds(count, meant.count) { return false }
        if let total = purchase.totalSpent {
            // In tenths, which are whole.
            let spent = meant.reduce(0) { $0 + Int((($1.price ?? 0) * 10).rounded()) * $1.quantity }
            if !holds(CountTest(total.comparison, Int((total.value * 10).rounded())), spent) { return false }
        }
        guard let last = purchase.lastPurchase else { return true }
        guard let latest = meant.map(\.time).max() else { return false }
        return last.comparison == .before ? latest < last.value : latest > last.value
    }

    private func isMeant(_ time: Instant, _ days: Int?, _ after: Instant?, _ before: Instant?) -> Bool {
        (days.map { time > now.earlier(seconds: 86_400 * Double($0)) } ?? true) && (after.map { time > $0 } ?? true)
            && (before.map { time < $0 } ?? true)
    }

    private func holds(_ test: CountTest, _ number: Int) -> Bool {
        switch test.comparison {
        case .equals: number == test.value
        case .notEqual: number != test.value
        case .greaterThan: number > test.value
        case .greaterThanOrEqualTo: number >= test.value
        case .lessThan: number < test.value
        case .lessThanOrEqualTo: number <= test.value
        }
    }
}
