/// A tree over cohorts, saved segments, attributes, identifiers, events and purchases that selects users. On the wire
/// an object with one key: `{"all":[{"cohort":{…}},{"not":{"cohort":{…}}},{"attribute":{…}}]}`.
public indirect enum Filter: Sendable, Hashable {
    case all([Filter])
    case any([Filter])
    case not(Filter)
    case everyone
    case cohort(CohortReference)
    case segment(SegmentReference)
    case attribute(AttributeFilter)
    case identifier(IdentifierFilter)
    case event(EventFilter)
    case purchase(PurchaseFilter)

    public static func cohort(_ partner: String, _ cohortID: Identifier) -> Self {
        .cohort(.init(partner: partner, cohortID: cohortID))
    }

    public static func segment(_ segmentID: Identifier) -> Self {
        .segment(.init(segmentID: segmentID))
    }

    public static func attribute(_ name: Identifier, _ comparison: Comparison, _ value: FilterValue? = nil) -> Self {
        .attribute(.init(name: name, comparison: comparison, value: value))
    }

    /// The direct children of this filter.
    public var children: [Filter] {
        switch self {
        case .all(let filters), .any(let filters): filters
        case .not(let filter): [filter]
        case .everyone, .cohort, .segment, .attribute, .identifier, .event, .purchase: []
        }
    }

    /// Visits this filter and its descendants in preorder, each with its path such as `all[1].not`.
    public func forEachNode(_ body: (_ filter: Filter, _ path: String) throws -> Void) rethrows {
        try visit(path: "", body)
    }

    private func visit(path: String, _ body: (Filter, String) throws -> Void) rethrows {
        try body(self, path.isEmpty ? name : path)
        let prefix = path.isEmpty ? name : path
        for (index, child) in children.enumerated() {
            let step = if case .not = self { "." + child.name } else { "[\(index)]." + child.name }
            try child.visit(path: prefix + step, body)
        }
    }

    /// The key of this node on the wire.
    public var name: String { key.rawValue }

    private var key: CodingKeys {
        switch self {
        case .all: .all
        case .any: .any
        case .not: .not
        case .everyone: .everyone
        case .cohort: .cohort
        case .segment: .segment
        case .attribute: .attribute
        case .identifier: .identifier
        case .event: .event
        case .purchase: .purchase
        }
    }
}

extension Filter: Codable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case all, any, not, everyone, cohort, segment, attribute, identifier, event, purchase
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let keys = CodingKeys.allCases.filter(container.contains)
        guard keys.count == 1, let key = keys.first else {
            throw JSONError(
                at: decoder,
                "must be an object with exactly one of all, any, not, everyone, cohort, segment, attribute, identifier, event and purchase",
                keys.isEmpty ? .missing : .conflict)
        }
        self =
            switch key {
            case .all: .all(try container.decode([Filter].self, forKey: key))
            case .any: .any(try container.decode([Filter].self, forKey: key))
            case .not: .not(try container.decode(Filter.self, forKey: key))
            case .everyone: try container.decode(Everyone.self, forKey: key).filter
            case .cohort: .cohort(try container.decode(CohortReference.self, forKey: key))
            case .segment: .segment(try container.decode(SegmentReference.self, forKey: key))
            case .attribute: .attribute(try container.decode(AttributeFilter.self, forKey: key))
            case .identifier: .identifier(try container.decode(IdentifierFilter.self, forKey: key))
            case .event: .event(try container.decode(EventFilter.self, forKey: key))
            case .purchase: .purchase(try container.decode(PurchaseFilter.self, forKey: key))
            }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .all(let filters), .any(let filters): try container.encode(filters, forKey: key)
        case .not(let filter): try container.encode(filter, forKey: key)
        case .everyone: try container.encode(Everyone(), forKey: key)
        case .cohort(let cohort): try container.encode(cohort, forKey: key)
        case .segment(let segment): try container.encode(segment, forKey: key)
        case .attribute(let attribute): try container.encode(attribute, forKey: key)
        case .identifier(let identifier): try container.encode(identifier, forKey: key)
        case .event(let event): try container.encode(event, forKey: key)
        case .purchase(let purchase): try container.encode(purchase, forKey: key)
        }
    }

    /// The empty object of `{"everyone":{}}`.
    private struct Everyone: Codable {
        var filter: Filter { .everyone }

        init() {}

        /// A container without keys, which accepts only an object.
        init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: NoFields.self) }

        func encode(to encoder: any Encoder) throws { _ = encoder.container(keyedBy: NoFields.self) }
    }
}

/// A test of one attribute of a user.
public struct AttributeFilter: Codable, Sendable, Hashable {
    public var name: Identifier
    public var comparison: Comparison
    /// Absent for `exists` and `does_not_exist`, else required.
    public var value: FilterValue?

    enum CodingKeys: String, CodingKey, CaseIterable { case name, comparison, value }

    public init(name: Identifier, comparison: Comparison, value: FilterValue? = nil) {
        self.name = name
        self.comparison = comparison
        self.value = value
    }
}

/// A test of whether a user has an identifier of a kind, whatever it is.
public struct IdentifierFilter: Codable, Sendable, Hashable {
    /// The kinds of identifiers by which imports match users.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case externalID = "external_id"
        case alias
        case deviceID = "device_id"
    }

    public var kind: Kind
    /// Only with `alias`: the label that one of the user's aliases has; absent, any alias counts.
    public var aliasLabel: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case kind
        case aliasLabel = "alias_label"
    }

    public init(kind: Kind, aliasLabel: Identifier? = nil) {
        self.kind = kind
        self.aliasLabel = aliasLabel
    }
}

/// Comparisons of an attribute, by Braze's names. Negative comparisons are the exact complements of the positive ones,
/// so they also hold for users without the attribute.
public enum Comparison: String, Codable, Sendable, CaseIterable {
    case equals
    case notEqual = "not_equal"
    /// Braze's name of `not_equal` for booleans.
    case doesNotEqual = "does_not_equal"
    case greaterThan = "greater_than"
    case greaterThanOrEqualTo = "greater_than_or_equal_to"
    case lessThan = "less_than"
    case lessThanOrEqualTo = "less_than_or_equal_to"
    case before
    case after
    case exists
    case doesNotExist = "does_not_exist"
    case includesValue = "includes_value"
    case doesNotIncludeValue = "does_not_include_value"

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}

/// The value that an attribute is compared with.
public enum FilterValue: Codable, Sendable, Hashable {
    case string(Identifier)
    case number(Double)
    case boolean(Bool)

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else {
            do {
                self = .string(try container.decode(Identifier.self))
                return
            } catch let error as JSONError where error.reason == .invalidCharacters {
                throw error
            } catch {}
            throw JSONError(at: decoder, "must be a string, a number, true or false", .wrongType)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .string(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .boolean(let value): try container.encode(value)
        }
    }
}
