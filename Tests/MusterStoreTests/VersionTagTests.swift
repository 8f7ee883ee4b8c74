import Testing

@testable import MusterStore

struct VersionTagTests {
    /// Numbers that a test gives, the last one first.
    private struct GivenNumbers: RandomNumberGenerator {
        var numbers: [UInt64]
        mutating func next() -> UInt64 { numbers.popLast() ?? 1 }
    }

    /// A version with the tag 0 could be mistaken for the start of an empty history.
    @Test(arguments: [([7, 0], 7), ([.max, 0, 0], -1), ([1 << 63], .min)] as [([UInt64], Int64)])
    func aNewTagIsTheFirstRandomNumberThatIsNotZero(numbers: [UInt64], tag: Int64) {
        var random = GivenNumbers(numbers: numbers)
        #expect(SetVersion.newTag(using: &random) == tag)
    }
}
