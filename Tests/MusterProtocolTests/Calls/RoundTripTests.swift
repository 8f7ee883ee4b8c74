import MusterProtocol
import TestSupport
import Testing

/// Values of every type that calls are made of.
struct Everything: Codable, Equatable {
    indirect enum Filter: Codable, Equatable {
        case all([Filter])
        case not(Filter)
        case everyone
    }
    var flag: Bool?
    var count: Int?
    var small: Int8
    var natural: UInt32
    var number: Double
    var single: Float?
    var text: String
    var texts: [String]
    var user: Identifier
    var users: IdentifierList?
    var attributes: Attributes
    var holes: [Int?]
    var sizes: [String: Int]
    var filter: Filter
    var error: RPCError?
}

extension SeededRandom {
    mutating func maybe<T>(_ make: (inout SeededRandom) -> T) -> T? { below(2) == 0 ? nil : make(&self) }
    mutating func list<T>(_ make: (inout SeededRandom) -> T) -> [T] { (0..<below(5)).map { _ in make(&self) } }

    mutating func text() -> String {
        let alphabet: [Unicode.Scalar] = [
            "a", "Z", "0", "\"", "\\", "/", "\u{1}", "\n", "\u{7F}", "é", "\u{301}", "😀", "\u{FFFF}",
        ]
        return String(String.UnicodeScalarView((0..<below(20)).map { _ in alphabet[below(alphabet.count)] }))
    }
    mutating func integer() -> Int64 {
        let edge = Int64(1) << Int64(below(54))
        return [edge, -edge, edge - 1, 1 - edge, 0][below(5)]
    }
    mutating func number() -> Double {
        let bits = Double(bitPattern: next())
        return [
            bits.isFinite ? bits : 0.1, Double(integer()), Double(integer()) / 8, .greatestFiniteMagnitude,
            .leastNonzeroMagnitude,
        ][below(5)]
    }
    mutating func value() -> AttributeValue {
        switch below(7) {
        case 0: return .null
        case 1: return .bool(below(2) == 0)
        case 2: return .integer(integer())
        case 3: return .number(Double(below(1_000)) + 0.5)
        case 4: return .string(Array(text().utf8))
        case 5: return .strings(list { Array($0.text().utf8) })
        default: return .other((try? RawJSON(encoding: [[integer()], list { _ in 7 }])) ?? .emptyObject)
        }
    }
    mutating func attributes() -> Attributes {
        Attributes((0..<below(20)).map { .init(name: Array("\($0):\(text())".utf8), value: value()) })
    }
    mutating func filter(depth: Int) -> Everything.Filter {
        switch below(depth > 0 ? 3 : 1) {
        case 1: .not(filter(depth: depth - 1))
        case 2: .all(list { $0.filter(depth: depth - 1) })
        default: .everyone
        }
    }
    mutating func everything() -> Everything {
        Everything(
            flag: maybe { $0.below(2) == 0 }, count: maybe { Int($0.integer()) },
            small: Int8(truncatingIfNeeded: next()),
            natural: UInt32(truncatingIfNeeded: next()), number: number(), single: maybe { Float($0.below(1_000)) / 7 },
            text: text(), texts: list { $0.text() }, user: Identifier(text()),
            users: maybe { IdentifierList($0.list { Identifier($0.text()) }) }, attributes: attributes(),
            holes: list { $0.maybe { $0.below(9) } },
            sizes: Dictionary(uniqueKeysWithValues: (0..<below(20)).map { ("k\($0)", $0) }),
            filter: filter(depth: 6),
            error: maybe { RPCError(RPCCode.allCases[$0.below(16)], $0.text(), details: ["a": $0.value()]) })
    }
}

@Suite struct RoundTripTests {
    @Test func writtenValuesAreReadUnchanged() throws {
        let seed = TestSeed("round trips")
        var dice = seed.random
        let reader = JSONReader()
        for round in 0..<1_000 {
            let value = dice.everything()
            let json = try JSONEncoding.encode(value)
            let (same, raw) = try reader.read(json) {
                (try JSONDecoding.decode(Everything.self, from: $0), RawJSON($0))
            }
            // Compared first: a failure prints the seed instead of pages of values.
            let isSame = same == value && raw.bytes == json
            #expect(isSame, "round \(round): MUSTER_SEED=\(seed.value)")
            if !isSame { return }
        }
    }
}
