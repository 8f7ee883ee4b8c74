import MusterProtocol

extension TrackedFields {
    /// Fields that name the user or are options of the object.
    private static let reserved: Set<[UInt8]> = Set(
        [
            "external_id", "user_alias", "braze_id", "_update_existing_only", "_merge_objects", "push_tokens",
            "push_token_import",
        ].map { Array($0.utf8) })

    /// The changes of attributes that the object asks for. Fields that are not valid are added to `refused`. An invalid
    /// address refuses the whole object, since it may name the user.
    func changes(_ refused: inout [TrackRefusal]) throws -> [AttributeChange] {
        var changes: [AttributeChange] = []
        // Nil where the field is not valid: objects are then ambiguous and refused, and the rest is applied.
        var merges: Bool?
        do { merges = try looseFlag("_merge_objects") ?? false } catch let refusal as TrackRefusal {
            refused.append(refusal)
        }
        for entry in entries where !Self.reserved.contains(entry.name) {
            do { changes.append(try change(entry, merges: merges)) } catch let refusal as TrackRefusal {
                if entry.name == Array("email".utf8) || entry.name == Array("phone".utf8) { throw refusal }
                refused.append(refusal)
            }
        }
        return changes
    }

    /// - Parameter merges: the value of `_merge_objects`; nil where it is not valid.
    private func change(_ entry: Attributes.Entry, merges: Bool?) throws -> AttributeChange {
        guard !entry.name.contains(0) else {
            throw TrackRefusal(type: "the name of an attribute \(AttributeValue.unusableText)")
        }
        guard (1...Limits.attributeNameBytes.value).contains(entry.name.count) else {
            let limit = Limits.attributeNameBytes
            throw TrackRefusal(type: "the name of an attribute must have 1 to \(limit.described)")
        }
        let name = String(decoding: entry.name, as: UTF8.self)
        if let problem = entry.value.storageProblem {
            throw TrackRefusal(type: "'\(name)' is not valid: it \(problem)")
        }
        return AttributeChange(entry.name, try operation(entry.value, name, merges: merges))
    }

    private func operation(
        _ value: AttributeValue, _ name: String, merges: Bool?
    ) throws -> AttributeChange.Operation {
        if let kind = ContactKind(attribute: name.utf8) {
            return .set(try contact(kind).map { .string($0.bytes) } ?? .null)
        }
        guard let merges else {
            if value == .strings([]) || value.isObject {
                throw TrackRefusal(type: "'\(name)' is not valid: '_merge_objects' doesn't say how it is meant")
            }
            return try operation(value, name, merges: false)
        }
        if merges, value == .strings([]) { return .merge(try RawJSON(encoding: [String]())) }
        if case .other(let json) = value, json.bytes.first == UInt8(ascii: "["), json.namesOperator {
            throw TrackRefusal.nestedOperator(name)
        }
        if let elements = try value.elements() { return .set(try AttributeValue(elements: elements.lastOfEach())) }
        guard case .other(let json) = value, let object = try json.asObject else { return .set(value) }
        let fields = TrackedFields(object)
        if let edit = try ObjectEdit(fields, of: name, merges: merges) { return .editObjects(edit) }
        let operation = try Self.operation(fields, name)
        guard !json.namesOperator else {
            throw TrackRefusal.nestedOperator(name)
        }
        return operation ?? (merges ? .merge(json) : .set(value))
    }

    /// The operation that an object stands for; nil where it is a value.
    private static func operation(_ fields: TrackedFields, _ name: String) throws -> AttributeChange.Operation? {
        let names = Set(fields.entries.map(\.name))
        if names == [Array("inc".utf8)] {
            guard case .integer(let step) = fields["inc"] else { throw TrackRefusal.invalid(name) }
            return .increment(step)
        }
        if !names.isEmpty, names.isSubset(of: [Array("add".utf8), Array("remove".utf8)]) {
            return .edit(
                adding: try fields.elements("add", of: name), removing: try fields.elements("remove", of: name))
        }
        // Stored as a value, it would replace the value that an unknown operator means to change. `$time` is a value.
        if names.contains(where: { $0.first == UInt8(ascii: "$") && $0 != Array("$time".utf8) }) {
            throw TrackRefusal(
                type: "'\(name)' is not valid: of fields with $ only $add, $remove, $update and $time are known")
        }
        return nil
    }

    private func elements(_ field: String, of name: String) throws -> [RawJSON] {
        guard let value = self[field] else { return [] }
        guard let elements = try value.elements() else { throw TrackRefusal.invalid(name) }
        return elements
    }
}

extension AttributeValue {
    fileprivate var isObject: Bool {
        guard case .other(let json) = self else { return false }
        return json.bytes.first == UInt8(ascii: "{")
    }
}
