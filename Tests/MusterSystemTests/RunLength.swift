import Foundation

/// How long the random tests run: short with the others, as long as one likes by variable. `scripts/model-test` and
/// `scripts/crash-test` set them.
enum RunLength {
    /// How long the model test goes on with seed after seed; nil: one.
    static let modelSeconds = number("MUSTER_MODEL_SECONDS")
    /// Operations of one seed, each with two comparisons.
    static let modelOperations = number("MUSTER_MODEL_OPERATIONS") ?? 2_000
    /// How often the crash test kills the server.
    static let crashCycles = number("MUSTER_CRASH_CYCLES") ?? 10
    /// Imports of each client of the history test.
    static let historyImports = number("MUSTER_HISTORY_IMPORTS") ?? 40

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init)
    }
}
