/// The rule of a field of an object that a call validates separately. Decoding such an object checks names only, so
/// that an invalid object does not refuse the others; the documents and `FieldDescription` get the rule from here.
struct FieldRule {
    /// The JSON type of the value, in words.
    let type: String
    let presence: FieldDescription.Presence
    /// The bounds of the value; nil for none.
    let bounds: String?

    init(_ type: String, _ presence: FieldDescription.Presence, _ bounds: String? = nil) {
        (self.type, self.presence, self.bounds) = (type, presence, bounds)
    }
}

/// The keys of an object that a call validates separately.
protocol KeyWithRules: CodingKey {
    /// The rule of each field that has a meaning, in the order of the documents.
    static var rules: [(name: String, rule: FieldRule)] { get }
}

/// Such keys that are all fields.
protocol FieldWithRule: KeyWithRules, CaseIterable {
    var rule: FieldRule { get }
}

extension FieldWithRule {
    static var rules: [(name: String, rule: FieldRule)] { allCases.map { ($0.stringValue, $0.rule) } }
}
