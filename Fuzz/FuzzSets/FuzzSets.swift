import CFuzzer
import MusterSets

/// Takes any bytes as a stored set and as a set in the portable format.
@main struct FuzzSets {
    static func main() {
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        withUnsafeMutablePointer(to: &arguments) { pointer in
            pointer.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) {
                _ = LLVMFuzzerRunDriver(&count, $0) { bytes, count in
                    let input = UnsafeRawBufferPointer(start: bytes, count: count)
                    // The checksum keeps nearly all inputs from the first decoder; the second gets what a forger would
                    // send.
                    if let set = try? StoredSet.decode(input, memoryLimit: memoryLimit) { check(set, input) }
                    if let set = try? PortableRoaring.decode(input, memoryLimit: memoryLimit) { check(set, input) }
                    return 0
                }
            }
        }
    }
}

/// Bounds the memory: some runs of a few bytes describe full containers, so an input could take a second.
let memoryLimit = 1 << 18

/// A decoded set behaves like any other, survives encoding and decoding, and is refused when one of its bytes changes.
func check(_ set: MemberSet, _ input: UnsafeRawBufferPointer) {
    let portable = PortableRoaring.encode(set)
    // A header that allows for runs without having any is shorter by up to 15 bytes; no library writes it.
    precondition(portable.count <= input.count + 15, "another form of the set was shorter")
    let again = try? portable.withUnsafeBytes { try PortableRoaring.decode($0) }
    precondition(again == set, "the portable form reads otherwise")

    var stored = StoredSet.encode(set)
    let same = try? stored.withUnsafeBytes { try StoredSet.decode($0) }
    precondition(same == set, "the stored form reads otherwise")
    let index = Int(input.last ?? 0) % stored.count
    stored[index] ^= 1 | (input.first ?? 0)
    let changed = try? stored.withUnsafeBytes { try StoredSet.decode($0) }
    precondition(changed == nil, "a changed byte is not seen")

    if set.count > 50_000 { return }
    let numbers = Array(set)
    precondition(numbers.count == set.count && MemberSet(numbers.reversed()) == set, "the set is not what it holds")
}
