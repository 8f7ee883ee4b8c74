/// A text to look for in names, in upper or lower case, as a pattern for `~` under `COLLATE "C"`.
///
/// `lower` and `ILIKE` follow the locale of the database: under C there is no É for them, and under a Turkish one I is
/// no i. So the letters that count as one are spelled out here, by Unicode's cases, and the same names are found on
/// every database.
struct NamePattern {
    /// Nothing in it but ASCII; a letter is a bracket with all of its forms.
    let text: String

    init(_ name: String) {
        text = name.unicodeScalars.map { scalar in
            guard let forms = Self.forms[scalar] else { return Self.escaped(scalar) }
            return "[" + forms.map(Self.escaped).joined() + "]"
        }.joined()
    }

    /// Letters and digits stand for themselves, and all else by its number, so that nothing is an operator.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9": return String(scalar)
        default:
            let digits = String(scalar.value, radix: 16)
            return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
        }
    }

    /// The letters that have cases, each with all letters that are its upper or lower case, or that of one of these: S,
    /// s and the long s; Σ, σ and ς; I, i and the Turkish İ and ı. A case of several letters, such as that of ß, is
    /// none here.
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
        // Its small letter is an i with a dot above: two scalars.
        var pairs: [(Unicode.Scalar, Unicode.Scalar)] = [("İ", "i")]
        // No letter above the supplementary multilingual plane has cases.
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
