/// Values in their plain form, for `Call.plain`. Nil for anything else: `JSONDecoding` reads or refuses that.
extension JSONValue {
    /// Whether a string or key has these bytes.
    func isText(_ text: StaticString) -> Bool {
        bytesEqual(self.text, UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    var plainBool: Bool? { kind == .boolean ? isTrue : nil }

    var plainInt: Int? { whole.flatMap { Int(exactly: $0) } }

    var plainText: String? {
        kind == .string && !isUnusable ? String(decoding: text, as: UTF8.self) : nil
    }

    var plainIdentifier: Identifier? { kind == .string && !isUnusable ? Identifier(bytes: text) : nil }

    /// The elements of an array, if each of them is plain.
    func plainElements<Element>(_ plain: (JSONValue) -> Element?) -> [Element]? {
        guard kind == .array else { return nil }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for value in JSONElements(self) {
            guard let element = plain(value) else { return nil }
            elements.append(element)
        }
        return elements
    }

    /// The value of an object's only field, and its name.
    var onlyField: (name: JSONValue, value: JSONValue)? {
        guard kind == .object, count == 1 else { return nil }
        var fields = JSONFields(self)
        return fields.next()
    }
}

extension UserReference {
    /// A user by one field.
    static func plain(_ value: JSONValue) -> Self? {
        guard let (name, value) = value.onlyField else { return nil }
        if name.isText("external_id") { return value.plainIdentifier.map(Self.externalID) }
        if name.isText("alias") { return Alias.plain(value).map(Self.alias) }
        if name.isText("device_id") { return value.plainIdentifier.map(Self.deviceID) }
        return nil
    }
}

extension Alias {
    static func plain(_ value: JSONValue) -> Self? {
        guard value.kind == .object, value.count == 2, let label = value.field("alias_label")?.plainIdentifier,
            let name = value.field("alias_name")?.plainIdentifier
        else { return nil }
        return Alias(label: label, name: name)
    }
}

extension Filter {
    /// A filter over cohorts and saved segments. The reader bounds the depth.
    static func plain(_ value: JSONValue) -> Self? {
        guard let (name, value) = value.onlyField else { return nil }
        if name.isText("all") { return value.plainElements(plain).map(Self.all) }
        if name.isText("any") { return value.plainElements(plain).map(Self.any) }
        if name.isText("not") { return plain(value).map(Self.not) }
        if name.isText("cohort") { return CohortReference.plain(value).map(Self.cohort) }
        if name.isText("segment") { return SegmentReference.plain(value).map(Self.segment) }
        return nil
    }
}

extension CohortReference {
    static func plain(_ value: JSONValue) -> Self? {
        guard value.kind == .object, value.count == 2, let partner = value.field("partner")?.plainText,
            let cohortID = value.field("cohort_id")?.plainIdentifier
        else { return nil }
        return CohortReference(partner: partner, cohortID: cohortID)
    }
}

extension SegmentReference {
    static func plain(_ value: JSONValue) -> Self? {
        guard let (name, value) = value.onlyField, name.isText("segment_id") else { return nil }
        return value.plainIdentifier.map { SegmentReference(segmentID: $0) }
    }
}
