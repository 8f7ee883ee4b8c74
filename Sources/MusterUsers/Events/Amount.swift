import MusterProtocol

/// An amount of money in whole millionths of the currency's unit: sums are exact and don't depend on their order,
/// unlike sums of binary fractions.
public struct Amount: Sendable, Hashable, Comparable {
    /// Millionths of the currency's unit.
    public let millionths: Int64

    private static let max = Int64(Limits.purchaseAmount.value) * 1_000_000

    package init(millionths: Int64) { self.millionths = millionths }

    /// Rounds to the nearest millionth; nil for NaN and for a number beyond ±10^9.
    public init?(_ units: Double) {
        guard abs(units) <= Double(Limits.purchaseAmount.value) else { return nil }
        self = .nearest(to: units)
    }

    /// Rounds to the nearest millionth; NaN is 0, a number out of range the range's end.
    package static func nearest(to units: Double) -> Amount {
        Amount(millionths: Int64(exactly: (units * 1_000_000).rounded()) ?? (units > 0 ? .max : units < 0 ? -.max : 0))
    }

    /// In units of the currency.
    public var units: Double { Double(millionths) / 1_000_000 }

    public static func < (left: Self, right: Self) -> Bool { left.millionths < right.millionths }

    /// The sum; the range's end where it is out of range.
    package func adding(_ other: Amount) -> Amount {
        let (sum, overflow) = millionths.addingReportingOverflow(other.millionths)
        guard overflow else { return Amount(millionths: sum) }
        return Amount(millionths: millionths < 0 ? -.max : .max)
    }

    func times(_ count: Int32) -> Amount? {
        let (product, overflow) = millionths.multipliedReportingOverflow(by: Int64(count))
        return overflow || abs(product) > Self.max ? nil : Amount(millionths: product)
    }
}
