import MusterProtocol
import TestSupport

/// Few names, so that operations often affect the same users, cohorts and segments.
struct Vocabulary {
    static let cohorts: [Identifier] = (0..<6).map { Identifier("c-\($0)") }
    static let segments: [Identifier] = (0..<7).map { Identifier("s-\($0)") }
    static let bulk = 0..<300

    static func bulkUser(_ number: Int) -> Identifier { Identifier("b-\(number)") }

    var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func externalID() -> Identifier {
        // Composed and decomposed: two users to Muster, equal strings to Swift.
        switch random.int(0..<30) {
        case 0: "\u{E9}"
        case 1: "e\u{301}"
        default: Identifier("u-\(random.int(0..<60))")
        }
    }

    mutating func alias() -> Alias {
        Alias(label: random.chance(60) ? "crm" : "web", name: Identifier("a-\(random.int(0..<25))"))
    }

    mutating func device() -> Identifier { Identifier("d-\(random.int(0..<40))") }

    mutating func cohort() -> Identifier { Self.cohorts[random.int(0..<Self.cohorts.count)] }
    mutating func segment() -> Identifier { Self.segments[random.int(0..<Self.segments.count)] }

    mutating func reference() -> UserReference {
        switch random.int(0..<10) {
        case 0..<4: .externalID(externalID())
        case 4: .externalID(Self.bulkUser(random.int(Self.bulk)))
        case 5..<7: .alias(alias())
        default: .deviceID(device())
        }
    }

    mutating func entry() -> UserEntry {
        var entry = UserEntry()
        let shape = random.int(0..<10)
        if shape < 5 { entry.externalID = externalID() }
        if shape >= 4, shape < 8 { entry.aliases = (0..<random.int(1..<3)).map { _ in alias() } }
        if shape == 3 || shape >= 6 { entry.deviceIDs = (0..<random.int(1..<3)).map { _ in device() } }
        if random.chance(40) { entry.attributes = attributes() }
        return entry
    }

    private mutating func attributes() -> Attributes {
        var entries: [Attributes.Entry] = []
        for name in ["country", "age", "tags", "gone"] where random.chance(50) {
            let value: AttributeValue =
                switch name {
                case _ where random.chance(15): .null
                case "country": .string(Array((random.pick(["FR", "DE", "IT"]) ?? "").utf8))
                case "age": .integer(Int64(random.int(18..<30)))
                case "tags": .strings((random.chance(50) ? ["x"] : ["x", "y"]).map { Array($0.utf8) })
                default: .bool(random.chance(50))
                }
            entries.append(.init(name: Array(name.utf8), value: value))
        }
        return Attributes(entries)
    }

    private mutating func attributeFilter() -> Filter {
        switch random.int(0..<12) {
        case 0: .attribute("country", .equals, .string("FR"))
        case 1: .attribute("country", .notEqual, .string("DE"))
        case 2: .attribute("age", .greaterThan, .number(Double(random.int(18..<30))))
        case 3: .attribute("age", .lessThan, .number(Double(random.int(18..<30))))
        case 4: .attribute("tags", .includesValue, .string("y"))
        case 5: .attribute("tags", .doesNotIncludeValue, .string("x"))
        case 6: .attribute("gone", .exists)
        case 7: .identifier(IdentifierFilter(kind: .externalID))
        case 8: .identifier(IdentifierFilter(kind: .alias))
        case 9: .identifier(IdentifierFilter(kind: .alias, aliasLabel: random.chance(60) ? "crm" : "web"))
        case 10: .identifier(IdentifierFilter(kind: .deviceID))
        default: .attribute("age", .doesNotExist)
        }
    }

    /// A filter of at most four levels, over names that mostly exist.
    mutating func filter(in model: Model, depth: Int = 1, withAttributes: Bool = true) -> Filter {
        let branches = depth < 4 && random.chance(depth == 1 ? 75 : 45)
        if branches {
            let inner = (0..<random.int(random.chance(4) ? 0..<1 : 1..<4)).map { _ in
                filter(in: model, depth: depth + 1, withAttributes: withAttributes)
            }
            switch random.int(0..<5) {
            case 0, 1: return .all(inner)
            case 2, 3: return .any(inner)
            default: return .not(inner.first ?? .everyone)
            }
        }
        switch random.int(0..<20) {
        case 0: return .everyone
        case 1, 2: if withAttributes { return attributeFilter() }
        case 3..<7: if let segment = random.pick(model.segments.keys.sorted()) { return .segment(segment) }
        case 7 where random.chance(15): return random.chance(50) ? .cohort(cohort()) : .segment(segment())
        default: break
        }
        return random.pick(model.cohorts.keys.sorted()).map { Filter.cohort($0) } ?? .everyone
    }

    mutating func importCall(_ cohortID: Identifier, requestID: Identifier?) -> ImportCohort {
        let changes = (0..<random.int(1..<4)).map { _ in change() }
        return ImportCohort(partner: "tinyclues", cohortID: cohortID, requestID: requestID, changes: changes)
    }

    private mutating func change() -> CohortChange {
        var change = CohortChange(shouldRemove: random.chance(35))
        for _ in 0..<random.int(0..<12) { change.userIDs.append(random.chance(8) ? odd() : externalID()) }
        for _ in 0..<random.int(0..<5) { change.deviceIDs.append(random.chance(8) ? odd() : device()) }
        for _ in 0..<random.int(0..<5) {
            change.aliases.append(random.chance(8) ? Alias(label: odd(), name: "a-1") : alias())
        }
        if random.chance(15) {
            let start = random.int(Vocabulary.bulk)
            for number in start..<min(start + random.int(1..<400), Vocabulary.bulk.upperBound) {
                change.userIDs.append(Self.bulkUser(number))
            }
        }
        return change
    }

    /// An invalid identifier, or an unknown one.
    private mutating func odd() -> Identifier {
        switch random.int(0..<4) {
        case 0: ""
        case 1: "a\u{1}b"
        case 2: Identifier(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: 1_025))
        default: "nobody"
        }
    }
}
