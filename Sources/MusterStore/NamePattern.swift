/// A text to search for in names, regardless of case, as a pattern for `~` under `COLLATE "C"`.
///
/// `lower` and `ILIKE` depend on the locale of the database: under C, É has no lower case; under a Turkish locale, I
/// does not match i. This pattern spells out equivalent letters by Unicode's case mappings, so that every database
/// finds the same names.
struct NamePattern {
    /// ASCII only; a letter is a bracket expression with all of its forms.
    let text: String

    init(_ name: String) {
        text = name.unicodeScalars.map { scalar in
            guard let forms = Self.forms[scalar] else { return Self.escaped(scalar) }
            return "[" + forms.map(Self.escaped).joined() + "]"
        }.joined()
    }

    /// Keeps letters and digits, and writes every other scalar by its number, so that none acts as an operator.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9": return String(scalar)
        default:
            let digits = String(scalar.value, radix: 16)
            return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
        }
    }

    /// The letters that have cases, each with all of its upper and lower case forms and theirs in turn: S, s and the
    /// long s; Σ, σ and ς; I, i and the Turkish İ and ı. Case mappings to several letters, such as that of ß, are left
    /// out.
    private static let forms: [Unicode.Scalar: [Unicode.Scalar]] = {
        var forms: [Unicode.Scalar: [Unicode.Scalar]] = [:]
        for (one, other) in pairs {
            let (mine, others) = (forms[one] ?? [one], forms[other] ?? [other])
            guard !mine.contains(other) else { continue }
            for scalar in mine + others { forms[scalar] = mine + others }
        }
        return forms
    }()

    private static var pairs: [(Unicode.Scalar, Unicode.Scalar)] {
        // İ has two scalars in lower case: i and a combining dot above.
        var pairs: [(Unicode.Scalar, Unicode.Scalar)] = [("İ", "i")]
        // Letters beyond the supplementary multilingual plane have no cases.
        for scalar in (0..<0x20000 as Range<UInt32>).lazy.compactMap(Unicode.Scalar.init)
        where scalar.properties.changesWhenCaseMapped {
            let properties = scalar.properties
            for mapping in [properties.lowercaseMapping, properties.uppercaseMapping, properties.titlecaseMapping] {
                guard mapping.unicodeScalars.count == 1, let other = mapping.unicodeScalars.first else { continue }
                pairs.append((scalar, other))
            }
        }
        return pairs
    }
}
