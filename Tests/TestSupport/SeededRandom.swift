import Foundation

/// The seed of a random test: printed, and taken from `MUSTER_SEED` to run the same case again.
public struct TestSeed: Sendable {
    /// The seed itself.
    public let value: UInt64

    /// The seed that `MUSTER_SEED` gives; nil where each run takes a new one.
    public static let given = ProcessInfo.processInfo.environment["MUSTER_SEED"].flatMap(UInt64.init)

    /// - Parameter test: names the test in the line that is printed.
    public init(_ test: String) {
        value = Self.given ?? .random(in: 1...UInt64(UInt32.max))
        print("\(test): MUSTER_SEED=\(value)")
    }

    /// The same numbers for the same seed, on every machine.
    public var random: SeededRandom { SeededRandom(seed: value) }

    /// Seeds for `count` cases, or the one of `MUSTER_SEED`. A failing case prints its own.
    public static func several(_ count: Int) -> [UInt64] {
        given.map { [$0] } ?? (0..<count).map { _ in .random(in: .min ... .max) }
    }
}

/// SplitMix64, by Sebastiano Vigna: small, fast, and good enough for tests.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Any seed suits.
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number of `range`.
    public mutating func int(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self) }

    /// A number from 0, less than `bound`.
    public mutating func below(_ bound: Int) -> Int { int(0..<bound) }

    /// True in `percent` of a hundred cases.
    public mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    /// An element; nil where there is none.
    public mutating func pick<C: Collection>(_ elements: C) -> C.Element? { elements.randomElement(using: &self) }
}
