import MusterProtocol

extension EventFilter {
    /// The filter in words: `did "visit" at least once, in the last 30 days`.
    var inWords: String {
        let times = count.map { "\($0.comparison.inWords) \($0.value) times" } ?? "at least once"
        return ["did \"\(name.text)\" \(times)"].joined(with: window(withinDays, after, before))
    }
}

extension PurchaseFilter {
    /// The filter in words: `bought "mug", count greater than 2, in the last 30 days`.
    var inWords: String {
        let what = (productID.map { "bought \"\($0.text)\"" } ?? "bought") + (currency.map { " in \($0)" } ?? "")
        let tests = [
            count.map { "count \($0.comparison.inWords) \($0.value)" },
            totalSpent.map { "total spent \($0.comparison.inWords) \($0.value)" },
            lastPurchase.map { "last purchase \($0.inWords)" },
        ].compactMap(\.self)
        return ([what] + tests).joined(with: window(withinDays, after, before))
    }
}

extension TimeTest {
    fileprivate var inWords: String { "\(comparison.rawValue) \(value.iso8601)" }
}

extension NumberComparison {
    fileprivate var inWords: String { rawValue.replacing("_", with: " ") }
}

private func window(_ days: Int?, _ after: Instant?, _ before: Instant?) -> [String] {
    [
        days.map { "in the last \($0) days" }, after.map { "after \($0.iso8601)" },
        before.map { "before \($0.iso8601)" },
    ].compactMap(\.self)
}

extension [String] {
    fileprivate func joined(with more: [String]) -> String { (self + more).joined(separator: ", ") }
}
