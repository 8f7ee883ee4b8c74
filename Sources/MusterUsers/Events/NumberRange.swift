import MusterProtocol

/// Whole numbers that pass a comparison: those from `low` to `high`, or all others.
package struct NumberRange: Sendable, Equatable {
    package private(set) var low = Int64.min
    package private(set) var high = Int64.max
    package private(set) var isNegated = false

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

    /// Whether a number passes.
    package func contains(_ number: Int64) -> Bool { (low <= number && number <= high) != isNegated }
}
