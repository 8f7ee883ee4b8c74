import Locking

/// Counts failed units of work by kind of error, since the database was opened.
final class ErrorCounts: Sendable {
    /// The classes of SQLSTATE. A fixed list: a server could send others, which must not grow the metric.
    private static let classes: Set<String> = [
        "08", "0A", "21", "22", "23", "25", "26", "28", "2B", "2D", "3D", "3F", "40", "42", "44", "53", "54", "55",
        "57",
        "58", "P0", "XX",
    ]
    private let counts = Locked<[String: Int]>([:])

    func count(_ error: any Error) {
        guard let error = error as? PostgresError else { return }
        let name: String
        if let state = error.sqlState {
            name = Self.classes.contains(String(state.conditionClass)) ? String(state.conditionClass) : "other"
        } else {
            name = error.kind.rawValue
        }
        counts.withLock { $0[name, default: 0] += 1 }
    }

    var all: [String: Int] { counts.withLock { $0 } }
}
