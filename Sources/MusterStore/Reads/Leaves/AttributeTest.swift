import MusterProtocol
import MusterUsers

/// Whether a user's attribute passes a filter's test: the one place that knows what a comparison means, for counts and
/// checks alike.
///
/// A negative comparison is the exact opposite of its positive one; `positive` and `isNegative` take it apart.
struct AttributeTest: Sendable {
    private let comparison: Comparison
    private let value: FilterValue?
    private let moment: Instant?
    /// Of an attribute that is kept in one form only, older values in another.
    private let contact: ContactKind?

    /// Readers for scans, whose documents hold thousands of values.
    static let readers = JSONReaders(idle: 4, values: 4_000_000)

    init(_ filter: AttributeFilter) {
        comparison = filter.comparison.positive
        let contact = ContactKind(attribute: filter.name.bytes)
        self.contact = contact
        value =
            if let contact, case .string(let text) = filter.value { .string(contact.normalized(text)) } else {
                filter.value
            }
        moment = if case .string(let text) = filter.value { Instant(iso8601: text.bytes) } else { nil }
    }

    /// `attribute` is the value of the attribute, for a user who has it. A value of another type passes no test but
    /// `exists`.
    func matches(_ attribute: JSONValue) -> Bool {
        switch comparison {
        case .exists: !attribute.isNull
        case .equals: equals(attribute)
        case .includesValue: includes(attribute)
        case .greaterThan: number(attribute).map { $0 > bound } ?? false
        case .greaterThanOrEqualTo: number(attribute).map { $0 >= bound } ?? false
        case .lessThan: number(attribute).map { $0 < bound } ?? false
        case .lessThanOrEqualTo: number(attribute).map { $0 <= bound } ?? false
        case .before: instant(attribute).map { $0 < (moment ?? $0) } ?? false
        case .after: instant(attribute).map { $0 > (moment ?? $0) } ?? false
        case .notEqual, .doesNotEqual, .doesNotExist, .doesNotIncludeValue: false
        }
    }

    /// A comparison with NaN is false, so a test without a number passes nobody.
    private var bound: Double { if case .number(let bound) = value { bound } else { .nan } }

    private func equals(_ attribute: JSONValue) -> Bool {
        switch value {
        case .string(let wanted): hasText(attribute, wanted)
        case .number(let wanted): number(attribute) == wanted
        case .boolean(let wanted): (try? attribute.bool()) == wanted
        case nil: false
        }
    }

    private func includes(_ attribute: JSONValue) -> Bool {
        guard attribute.kind == .array, case .string(let wanted) = value, let elements = try? attribute.elements()
        else {
            return false
        }
        return elements.contains { hasText($0, wanted) }
    }

    private func hasText(_ attribute: JSONValue, _ wanted: Identifier) -> Bool {
        guard attribute.kind == .string else { return false }
        return attribute.withUnsafeBytes { bytes in
            contact.map { $0.normalized(Identifier(bytes: bytes)) == wanted } ?? bytes.elementsEqual(wanted.bytes)
        }
    }

    private func number(_ attribute: JSONValue) -> Double? {
        attribute.kind == .number ? try? attribute.double() : nil
    }

    private func instant(_ attribute: JSONValue) -> Instant? {
        attribute.kind == .string ? attribute.withUnsafeBytes { Instant(iso8601: $0) } : nil
    }
}

extension Comparison {
    /// The comparison whose opposite this is, or itself.
    var positive: Comparison {
        switch self {
        case .notEqual, .doesNotEqual: .equals
        case .doesNotExist: .exists
        case .doesNotIncludeValue: .includesValue
        default: self
        }
    }

    var isNegative: Bool { positive != self }
}

extension AttributeFilter {
    var positive: AttributeFilter { AttributeFilter(name: name, comparison: comparison.positive, value: value) }
}
