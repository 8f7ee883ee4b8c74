import MusterProtocol

/// The rules that a filter must meet by itself, before any look-up.
enum FilterRules {
    /// Throws with the path of the first invalid node, starting at the body.
    ///
    /// - Parameter field: the field of the call that has the filter.
    static func check(_ filter: Filter, field: String = "filter") throws {
        try check(sizeOf: filter, field)
        try filter.forEachNode { node, position in
            let path = "\(field).\(position)"
            switch node {
            case .cohort(let cohort):
                try MusterHandlers.check(partner: cohort.partner, "\(path).partner")
                try MusterHandlers.check(objectID: cohort.cohortID, "\(path).cohort_id")
            case .segment(let segment): try MusterHandlers.check(objectID: segment.segmentID, "\(path).segment_id")
            case .attribute(let attribute): try check(attribute, path)
            case .identifier(let identifier): try check(identifier, path)
            case .event(let event): try check(event, path)
            case .purchase(let purchase): try check(purchase, path)
            case .all, .any, .not, .everyone: break
            }
        }
    }

    /// The same bounds are checked again with saved filters expanded.
    private static func check(sizeOf filter: Filter, _ field: String) throws {
        var nodes = 0
        func visit(_ node: Filter, _ depth: Int) throws {
            nodes += 1
            guard depth <= Limits.filterDepth.value else {
                throw RPCError.over(
                    Limits.filterDepth, field, .tooDeep, "is deeper than \(Limits.filterDepth.value) levels")
            }
            guard nodes <= Limits.filterNodes.value else {
                throw RPCError.over(
                    Limits.filterNodes, field, .tooMany, "has more than \(Limits.filterNodes.value) nodes")
            }
            for child in node.children { try visit(child, depth + 1) }
        }
        try visit(filter, 1)
    }

    private static func check(_ identifier: IdentifierFilter, _ path: String) throws {
        guard let label = identifier.aliasLabel else { return }
        guard identifier.kind == .alias else {
            throw RPCError.invalid("\(path).alias_label", .conflict, "must be left out unless kind is alias")
        }
        if let problem = label.problem(atMost: Limits.labelBytes) {
            throw RPCError(problem, at: "\(path).alias_label")
        }
    }

    private static func check(_ attribute: AttributeFilter, _ path: String) throws {
        try MusterHandlers.check(filterName: attribute.name, "\(path).name", atMost: Limits.attributeNameBytes)
        // PostgreSQL writes an integer without an exponent, and a larger one can't be decoded from that form.
        if case .number(let number) = attribute.value, abs(number) > 0x1p53 {
            throw RPCError.invalid("\(path).value", .outOfRange, "must be a number within ±2^53")
        }
        let comparison = attribute.comparison.rawValue
        switch (attribute.comparison, attribute.value) {
        case (.exists, nil), (.doesNotExist, nil): break
        case (.exists, _), (.doesNotExist, _):
            throw RPCError.invalid("\(path).value", .conflict, "must be left out with \(comparison)")
        case (_, nil): throw RPCError.invalid("\(path).value", .missing, "is missing")
        case (.equals, _), (.notEqual, _), (.doesNotEqual, _): break
        case (.greaterThan, .number), (.greaterThanOrEqualTo, .number), (.lessThan, .number),
            (.lessThanOrEqualTo, .number):
            break
        case (.greaterThan, _), (.greaterThanOrEqualTo, _), (.lessThan, _), (.lessThanOrEqualTo, _):
            throw RPCError.invalid(
                "\(path).value", .wrongType,
                "must be a number with \(comparison); times are compared by before and after")
        case (.before, .string(let text)), (.after, .string(let text)):
            guard Instant(iso8601: text.bytes) != nil else {
                throw RPCError.invalid(
                    "\(path).value", .invalidFormat, "must be an ISO-8601 time with \(comparison)")
            }
        case (.before, _), (.after, _):
            throw RPCError.invalid("\(path).value", .wrongType, "must be an ISO-8601 time with \(comparison)")
        case (.includesValue, .string), (.doesNotIncludeValue, .string): break
        case (.includesValue, _), (.doesNotIncludeValue, _):
            throw RPCError.invalid("\(path).value", .wrongType, "must be a string with \(comparison)")
        }
    }
}
