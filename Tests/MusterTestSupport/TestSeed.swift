#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The seed of a random test: printed, and taken from `MUSTER_SEED` to replay.
public struct TestSeed: Sendable {
    public let value: UInt64

    /// - Parameter test: whose seed it is, for the line that is printed.
    public init(_ test: String) {
        value =
            ProcessInfo.processInfo.environment["MUSTER_SEED"].flatMap(UInt64.init)
            ?? .random(in: 1...UInt64(UInt32.max))
        print("\(test): MUSTER_SEED=\(value)")
    }

    /// The same numbers for the same seed, on every machine.
    public var random: SeededRandom { SeededRandom(state: value) }
}

/// SplitMix64, by Sebastiano Vigna: small, quick, and good enough for tests.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    var state: UInt64

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
