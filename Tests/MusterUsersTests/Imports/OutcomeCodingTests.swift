import MusterProtocol
import MusterUsers
import Testing

@Suite struct OutcomeCodingTests {
    /// The table has rows in this form: it never changes.
    @Test func theStoredFormStays() {
        let runs: [OutcomeRun] = [
            .init(.added, 1), .init(.removed, 127), .init(.unchanged, 128), .init(.unknown, 50_000),
            .init(.identifiedDevice, 2), .init(.invalid, 3), .init(.repeated, 4),
        ]
        let bytes: [UInt8] = [0, 1, 1, 127, 2, 0x80, 1, 3, 0xD0, 0x86, 3, 4, 2, 5, 3, 6, 4]
        #expect(OutcomeCoding.encode(runs) == bytes)
        #expect(OutcomeCoding.decode(bytes) == runs)
    }

    @Test func everyOutcomeHasACode() {
        for outcome in Outcome.allCases {
            let runs = [OutcomeRun(outcome, 1)]
            #expect(OutcomeCoding.decode(OutcomeCoding.encode(runs)) == runs)
        }
    }

    @Test(arguments: [[7, 1], [0], [0, 0x80], [0, 0x80, 0x80, 0x80, 0x80, 0x80, 1], [255, 0]] as [[UInt8]])
    func otherBytesAreNoOutcomes(bytes: [UInt8]) {
        #expect(OutcomeCoding.decode(bytes) == nil)
    }

    @Test func aShapeComesBack() {
        let shape = [
            ChangeShape(userIDs: 50_000, deviceIDs: 0, aliases: 1), .init(userIDs: 0, deviceIDs: 127, aliases: 128),
        ]
        let bytes = OutcomeCoding.encode(shape)
        #expect(OutcomeCoding.decodeShape(bytes) == shape)
        #expect(OutcomeCoding.decodeShape(bytes.dropLast()) == nil)
    }
}

extension OutcomeCoding {
    fileprivate static func decodeShape(_ bytes: ArraySlice<UInt8>) -> [ChangeShape]? { decodeShape(Array(bytes)) }
}
