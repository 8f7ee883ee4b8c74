package import MusterProtocol

/// Outcomes as they are stored: for each run a byte and a varint, low seven bits first. `sql/005_cohorts.sql`
/// describes it.
package enum OutcomeCoding {
    private static let codes: [Outcome] = [
        .added, .removed, .unchanged, .unknown, .identifiedDevice, .invalid, .repeated,
    ]

    /// The stored form of runs of outcomes.
    package static func encode(_ runs: [OutcomeRun]) -> [UInt8] {
        var bytes: [UInt8] = []
        for run in runs {
            bytes.append(code(of: run.outcome))
            append(run.count, to: &bytes)
        }
        return bytes
    }

    /// The compiler asks for the code of a new outcome; `codes` gets it at that index, and no code is used twice.
    private static func code(of outcome: Outcome) -> UInt8 {
        switch outcome {
        case .added: 0
        case .removed: 1
        case .unchanged: 2
        case .unknown: 3
        case .identifiedDevice: 4
        case .invalid: 5
        case .repeated: 6
        }
    }

    /// The stored form of a shape: how many identifiers of each kind each object of `cohort_changes` has.
    package static func encode(_ shape: [ChangeShape]) -> [UInt8] {
        var bytes: [UInt8] = []
        for object in shape {
            for count in [object.userIDs, object.deviceIDs, object.aliases] { append(count, to: &bytes) }
        }
        return bytes
    }

    /// Nil for bytes that `encode` did not write.
    package static func decodeShape(_ bytes: [UInt8]) -> [ChangeShape]? {
        var shape: [ChangeShape] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let userIDs = varint(&rest), let deviceIDs = varint(&rest), let aliases = varint(&rest) else {
                return nil
            }
            shape.append(ChangeShape(userIDs: userIDs, deviceIDs: deviceIDs, aliases: aliases))
        }
        return shape
    }

    /// Nil for bytes that `encode` did not write.
    package static func decode(_ bytes: [UInt8]) -> [OutcomeRun]? {
        var runs: [OutcomeRun] = []
        var rest = bytes[...]
        while let code = rest.popFirst() {
            guard Int(code) < codes.count, let count = varint(&rest) else { return nil }
            runs.append(OutcomeRun(codes[Int(code)], count))
        }
        return runs
    }

    private static func append(_ count: Int, to bytes: inout [UInt8]) {
        var rest = count
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            guard let byte = bytes.popFirst() else { return nil }
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
