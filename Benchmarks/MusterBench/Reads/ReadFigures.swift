/// What one measurement of calls or statements found: a second's count, microseconds, and CPU time a call.
struct ReadFigures {
    var rate: Double
    var median: Double
    var high: Double
    var server: Double?
    var postgres: Double?

    /// Field by field, the median of several.
    static func median(of all: [ReadFigures]) -> ReadFigures {
        func middle(_ field: KeyPath<ReadFigures, Double>) -> Double { all.map { $0[keyPath: field] }.middle ?? 0 }
        func middle(_ field: KeyPath<ReadFigures, Double?>) -> Double? { all.compactMap { $0[keyPath: field] }.middle }
        return ReadFigures(
            rate: middle(\.rate), median: middle(\.median), high: middle(\.high), server: middle(\.server),
            postgres: middle(\.postgres))
    }
}

extension [Double] {
    fileprivate var middle: Double? { isEmpty ? nil : sorted()[count / 2] }
}
