import MusterSets
import TestSupport

/// Keys around the bounds of containers, chunks and the whole range.
let keys: [UInt32] = [0, 1, 2, 15, 16, 17, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]

extension SeededRandom {
    /// Numbers in a few blocks, each sparse, dense, in runs, full, or at the border between list and bitset.
    mutating func numbers(containers: Int = 4, of keys: [UInt32] = keys) -> Set<UInt32> {
        var numbers = Set<UInt32>()
        for _ in 0..<below(containers + 1) {
            let high = keys[below(keys.count)] << 16
            for value in values() { numbers.insert(high | UInt32(value)) }
        }
        return numbers
    }

    /// Most containers are small, because a test uses thousands.
    private mutating func values() -> [UInt16] {
        switch below(24) {
        case 0: return several(4094 + below(5))
        case 1: return several(5000 + below(1000))
        case 2: return Array(UInt16(0)...UInt16.max)
        case 3, 4, 5: return runs()
        case 6: return [[0], [0xFFFF], [0, 0xFFFF], [63, 64], [127, 128, 4095]][below(5)]
        case 7, 8: return several(200 + below(800))
        default: return several(1 + below(100))
        }
    }

    private mutating func several(_ count: Int) -> [UInt16] {
        // Steps of an odd number visit every value before they repeat.
        let (start, step) = (UInt16(truncatingIfNeeded: next()), UInt16(truncatingIfNeeded: next()) | 1)
        return (0..<count).map { start &+ step &* UInt16($0) }
    }

    private mutating func runs() -> [UInt16] {
        (0...below(6)).flatMap { _ in
            let first = UInt16(below(60_000))
            return first...first + UInt16(below(5_000))
        }
    }
}

extension MemberSet {
    init(_ numbers: Set<UInt32>) { self.init(Array(numbers)) }
}
