/// What a call wants of a field of an object that it judges by itself. Reading such an object looks at names alone, so
/// that one object that is wrong refuses no other; pages and `FieldDescription` tell these words instead.
struct FieldRule {
    /// What its value is, in words of JSON.
    let type: String
    let presence: FieldDescription.Presence
    /// What its value is held to besides; nil for nothing.
    let bounds: String?

    init(_ type: String, _ presence: FieldDescription.Presence, _ bounds: String? = nil) {
        (self.type, self.presence, self.bounds) = (type, presence, bounds)
    }
}

/// The keys of an object that a call judges by itself.
protocol JudgedKey: CodingKey {
    /// What the call wants of each field that has a meaning, in the order of pages.
    static var rules: [(name: String, rule: FieldRule)] { get }
}

/// Such keys where each of them is a field.
protocol ListedJudgedKey: JudgedKey, CaseIterable {
    /// What the call wants of this field.
    var rule: FieldRule { get }
}

extension ListedJudgedKey {
    static var rules: [(name: String, rule: FieldRule)] { allCases.map { ($0.stringValue, $0.rule) } }
}
