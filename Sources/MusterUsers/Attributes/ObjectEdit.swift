import MusterProtocol

/// A change of an array of objects, by Braze's operators `$add`, `$remove` and `$update`; applied in this order, as
/// Braze does.
struct ObjectEdit: Sendable {
    /// Matches the objects that have a field with this value.
    struct Match: Sendable {
        let key: [UInt8]
        /// A string, a number or a truth value.
        let value: AttributeValue

        func matches(_ object: Attributes?) -> Bool {
            object?.entries.contains { $0.name == key && $0.value.isEquivalent(to: value) } ?? false
        }
    }

    /// What is written into the objects that match.
    struct Update: Sendable {
        let match: Match
        let object: RawJSON
    }

    var adding: [RawJSON] = []
    var removing: [Match] = []
    var updating: [Update] = []
    /// Whether updates merge their fields into the objects; otherwise they replace them.
    var merges = false

    /// The array after the edit of these elements.
    func applied(to elements: [RawJSON]) throws -> AttributeValue {
        // There may be more than an array may have, before those to remove are gone.
        var objects = try (elements + adding).withoutRepeats().map { (json: $0, fields: try $0.asObject) }
        objects.removeAll { object in removing.contains { $0.matches(object.fields) } }
        for update in updating {
            for index in objects.indices where update.match.matches(objects[index].fields) {
                let new = merges ? try objects[index].json.merging(update.object) : update.object
                objects[index] = (new, try new.asObject)
            }
        }
        return try AttributeValue(elements: objects.map(\.json).lastOfEach())
    }
}

extension ObjectEdit {
    private enum Operator: String, CaseIterable {
        case add = "$add"
        case remove = "$remove"
        case update = "$update"
    }

    /// Reads the operators of an attribute's object; nil where it has none. Throws `TrackRefusal` where they are not
    /// valid.
    init?(_ fields: TrackedFields, of name: String, merges: Bool) throws {
        let names = Set(fields.entries.map { String(decoding: $0.name, as: UTF8.self) })
        let known = Set(Operator.allCases.map(\.rawValue))
        guard !names.isDisjoint(with: known) else { return nil }
        guard names.isSubset(of: known) else {
            throw TrackRefusal(type: "'\(name)' is not valid: $add, $remove and $update stand beside no other field")
        }
        self.merges = merges
        adding = try Self.elements(of: .add, in: fields, name) { json, _ in
            guard !json.namesOperator else { throw TrackRefusal.nestedOperator(name) }
            return json
        }
        removing = try Self.elements(of: .remove, in: fields, name) { _, entry in try Match(entry, of: name) }
        updating = try Self.elements(of: .update, in: fields, name) { _, entry in
            Update(match: try Match(entry, of: name), object: try entry.newObject(of: name))
        }
    }

    private static func elements<R>(
        of operation: Operator, in fields: TrackedFields, _ name: String, _ body: (RawJSON, TrackedFields) throws -> R
    ) throws -> [R] {
        guard let value = fields[operation.rawValue] else { return [] }
        guard let elements = try value.elements() else {
            throw TrackRefusal(type: "'\(name)' is not valid: \(operation.rawValue) must be an array of objects")
        }
        guard elements.count <= Limits.arrayElements.value else {
            throw TrackRefusal(
                type: "'\(name)' is not valid: \(operation.rawValue) has more than \(Limits.arrayElements.described)")
        }
        return try elements.map { element in
            guard let entry = try element.asObject else {
                throw TrackRefusal(type: "'\(name)' is not valid: \(operation.rawValue) must be an array of objects")
            }
            return try body(element, TrackedFields(entry))
        }
    }
}

extension ObjectEdit.Match {
    fileprivate init(_ entry: TrackedFields, of name: String) throws {
        guard case .string(let key) = entry["$identifier_key"] else {
            throw TrackRefusal(type: "'\(name)' is not valid: $identifier_key must be a string")
        }
        switch entry["$identifier_value"] {
        case let value? where value.isScalar: self.init(key: key, value: value)
        default:
            throw TrackRefusal(
                type: "'\(name)' is not valid: $identifier_value must be a string, a number, or true or false")
        }
    }
}

extension TrackedFields {
    /// What `$update` writes; an empty array is an object without fields.
    fileprivate func newObject(of name: String) throws -> RawJSON {
        switch self["$new_object"] {
        case .other(let json) where json.bytes.first == UInt8(ascii: "{"):
            guard !json.namesOperator else { throw TrackRefusal.nestedOperator(name) }
            return json
        case .strings([]): return .emptyObject
        default: throw TrackRefusal(type: "'\(name)' is not valid: $new_object must be an object")
        }
    }
}

extension AttributeValue {
    fileprivate var isScalar: Bool {
        switch self {
        case .bool, .integer, .number, .string: true
        default: false
        }
    }
}
