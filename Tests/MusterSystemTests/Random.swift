import Foundation

/// Random numbers that come again with the same seed (SplitMix64).
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func int(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self) }

    /// True `percent` times of a hundred.
    mutating func chance(_ percent: Int) -> Bool { int(0..<100) < percent }

    mutating func pick<C: Collection>(_ elements: C) -> C.Element? { elements.randomElement(using: &self) }
}

/// How long the random tests run: short with the others, as long as one likes by variable. `scripts/model-test` and
/// `scripts/crash-test` set them.
enum Length {
    /// The seed to run again; a fresh one otherwise.
    static let seed = number("MUSTER_SEED").map { UInt64(bitPattern: Int64($0)) }
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

    /// The seed of this run, said so that it can be run again.
    static func newSeed(of test: String) -> UInt64 {
        let seed = seed ?? UInt64.random(in: 0...UInt64(Int64.max))
        print("\(test): MUSTER_SEED=\(seed)")
        return seed
    }
}
