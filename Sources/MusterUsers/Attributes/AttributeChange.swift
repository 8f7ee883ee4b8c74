import MusterProtocol

/// A change of one attribute.
struct AttributeChange: Sendable {
    enum Operation: Sendable {
        /// `null` removes it.
        case set(AttributeValue)
        /// Adds to a whole or other number; to 0 where there is none.
        case increment(Int64)
        /// Puts values at the end of an array, or moves them there, and takes others out.
        case edit(adding: [RawJSON], removing: [RawJSON])
        /// Changes an array of objects.
        case editObjects(ObjectEdit)
        /// Puts the fields of an object into the one that is there. An empty array stands for an object without
        /// fields, which is how PHP writes one.
        case merge(RawJSON)
    }

    let name: [UInt8]
    let operation: Operation

    init(_ name: [UInt8], _ operation: Operation) {
        (self.name, self.operation) = (name, operation)
    }

    /// Whether it changes an object, or an array that has other elements than strings.
    var isNested: Bool {
        switch operation {
        case .merge, .editObjects, .set(.other): true
        case .set, .increment, .edit: false
        }
    }
}

/// An attribute is of another kind than its change needs, or the changed number is out of range.
struct IncompatibleAttribute: Error {
    let name: [UInt8]
    /// The end of a sentence.
    let problem: String
}

extension AttributesByName {
    /// Applies changes in order; returns whether anything changed, and the attributes of another kind than theirs
    /// needs.
    mutating func apply(_ changes: [AttributeChange]) throws -> (changed: Bool, incompatible: [IncompatibleAttribute]) {
        var (changed, incompatible): (Bool, [IncompatibleAttribute]) = (false, [])
        for change in changes {
            do {
                let value = try self[change.name].after(change)
                if merge([Attributes.Entry(name: change.name, value: value)]) { changed = true }
            } catch let attribute as IncompatibleAttribute {
                incompatible.append(attribute)
            }
        }
        return (changed, incompatible)
    }
}

extension AttributeValue? {
    /// The value after a change; `null` where the change removes it.
    fileprivate func after(_ change: AttributeChange) throws -> AttributeValue {
        func incompatible(_ problem: String) -> IncompatibleAttribute {
            IncompatibleAttribute(name: change.name, problem: problem)
        }
        switch change.operation {
        case .set(let value): return value
        case .increment(let step):
            guard let sum = increased(by: step) else { throw incompatible("the user's is no number") }
            guard sum.isWithinBounds else { throw incompatible("with it the user's would be outside of ±2^53") }
            return sum
        case .edit(let adding, let removing):
            guard let old = self else {
                return adding.isEmpty ? .null : try AttributeValue(elements: adding.lastOfEach(removing: removing))
            }
            guard let elements = try old.elements() else { throw incompatible("the user's is no array") }
            return try AttributeValue(elements: (elements + adding).lastOfEach(removing: removing))
        case .editObjects(let edit):
            guard let old = self else { return edit.adding.isEmpty ? .null : try edit.applied(to: []) }
            guard let elements = try old.elements() else { throw incompatible("the user's is no array") }
            return try edit.applied(to: elements)
        case .merge(let fields):
            guard let old = self, old != .strings([]) else { return AttributeValue(fields) }
            guard case .other(let object) = old else {
                guard fields.isEmptyArray else { throw incompatible("the user's is no object") }
                return AttributeValue(fields)
            }
            return AttributeValue(try object.merging(fields))
        }
    }

    private func increased(by step: Int64) -> AttributeValue? {
        switch self {
        case nil: return .integer(step)
        case .integer(let number):
            // Both are within ±2^53, so that nothing overflows.
            return .integer(number + step)
        case .number(let number): return .number(number + Double(step))
        default: return nil
        }
    }
}

extension AttributeValue {
    /// False for a number outside of ±2^53.
    fileprivate var isWithinBounds: Bool {
        switch self {
        case .integer(let number): number.magnitude <= 1 << 53
        case .number(let number): abs(number) <= 0x1p53
        default: true
        }
    }

    /// The elements of an array; nil for anything else.
    func elements() throws -> [RawJSON]? {
        let json = try JSONEncoding.encode(Attributes([.init(name: Array("v".utf8), value: self)]))
        return try json.withUnsafeBytes { bytes in
            try JSONReaders.shared.read(bytes) { document in
                guard let value = document.field("v"), value.kind == .array else { return nil }
                return try value.elements().map { RawJSON($0) }
            }
        }
    }

    /// The value of this JSON.
    fileprivate init(_ json: RawJSON) { self = json.isEmptyArray ? .strings([]) : .other(json) }

    /// An array of these.
    init(elements: [RawJSON]) throws {
        var json = Array("{\"v\":[".utf8)
        json.append(contentsOf: elements.map(\.bytes).joined(separator: [UInt8(ascii: ",")]))
        json.append(contentsOf: "]}".utf8)
        self = try json.withUnsafeBytes { bytes in
            try JSONReaders.shared.read(bytes) { document in document.field("v").map { AttributeValue($0) } ?? .null }
        }
    }
}

extension [RawJSON] {
    /// Each value once, at the index of its last occurrence, and at most as many as one array may have, the last
    /// ones.
    func lastOfEach(removing gone: [RawJSON] = []) -> [RawJSON] {
        withoutRepeats(removing: gone).suffix(Limits.arrayElements.value)
    }

    /// Each value once, at the index of its last occurrence.
    func withoutRepeats(removing gone: [RawJSON] = []) -> [RawJSON] {
        // PostgreSQL returns the fields of an object in an order of its own.
        var seen = Set(gone.map(\.comparisonKey))
        return reversed().filter { seen.insert($0.comparisonKey).inserted }.reversed()
    }
}

extension RawJSON {
    var isEmptyArray: Bool { bytes == Array("[]".utf8) }

    /// This object with the fields of another one, level by level; `null` removes. Recursive: the reader bounds the
    /// depth.
    func merging(_ other: RawJSON) throws -> RawJSON {
        if other.isEmptyArray, bytes.first == UInt8(ascii: "{") { return self }
        guard var fields = try asObject?.byName, let others = try other.asObject else { return other }
        for entry in others.entries {
            switch (fields[entry.name], entry.value) {
            case (_, .null): fields[entry.name] = nil
            case (.other(let old), .other(let new)): fields[entry.name] = .other(try old.merging(new))
            case (.other(let old), .strings([])) where old.bytes.first == UInt8(ascii: "{"): break
            default: fields[entry.name] = entry.value
            }
        }
        return try RawJSON(encoding: Attributes(fields.map { Attributes.Entry(name: $0.key, value: $0.value) }))
    }

    /// The fields of an object; nil for any other value.
    var asObject: Attributes? {
        get throws { try read { $0.kind == .object ? try Attributes($0) : nil } }
    }
}
