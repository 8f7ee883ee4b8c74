import MusterProtocol

extension Filter {
    /// The filter in words: `includes the cohort "win-back" of tinyclues, and country equals "FR"`.
    var inWords: String {
        switch self {
        case .all(let filters): Self.joined(filters, by: "and", none: "everyone")
        case .any(let filters): Self.joined(filters, by: "or", none: "no one")
        case .not(.cohort(let cohort)): "doesn't include \(cohort.inWords)"
        case .not(.segment(let segment)): "is not in the segment \(quoted(segment.segmentID))"
        case .not(let filter): "not \(filter.inWordsAsPart)"
        case .everyone: "everyone"
        case .cohort(let cohort): "includes \(cohort.inWords)"
        case .segment(let segment): "is in the segment \(quoted(segment.segmentID))"
        case .attribute(let attribute): attribute.inWords
        case .identifier(let identifier): identifier.inWords
        case .event(let event): event.inWords
        case .purchase(let purchase): purchase.inWords
        }
    }

    private var inWordsAsPart: String {
        switch self {
        case .all, .any: "(\(inWords))"
        default: inWords
        }
    }

    private static func joined(_ filters: [Filter], by word: String, none: String) -> String {
        guard filters.count != 1 else { return filters[0].inWords }
        let parts = filters.map(\.inWordsAsPart)
        return parts.isEmpty ? none : parts.joined(separator: " \(word) ")
    }
}

extension CohortReference {
    fileprivate var inWords: String { "the cohort \(quoted(cohortID)) of \(partner)" }
}

extension IdentifierFilter {
    fileprivate var inWords: String {
        switch (kind, aliasLabel) {
        case (.externalID, _): "has an external id"
        case (.alias, let label?): "has an alias with the label \(quoted(label))"
        case (.alias, nil): "has an alias"
        case (.deviceID, _): "has a device"
        }
    }
}

extension AttributeFilter {
    fileprivate var inWords: String {
        let verb = comparison.rawValue.replacing("_", with: " ")
        return ([name.text, verb] + [value?.inWords].compactMap(\.self)).joined(separator: " ")
    }
}

extension FilterValue {
    fileprivate var inWords: String {
        switch self {
        case .string(let text): quoted(text)
        case .number(let number): Int64(exactly: number).map(String.init) ?? String(number)
        case .boolean(let value): String(value)
        }
    }
}

private func quoted(_ text: Identifier) -> String { "\"\(text.text)\"" }
