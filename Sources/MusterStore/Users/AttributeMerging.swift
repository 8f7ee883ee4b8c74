import MusterProtocol

/// The attributes of a user while they are worked on: values by name, names as bytes.
typealias AttributesByName = [[UInt8]: AttributeValue]

extension Attributes {
    var byName: AttributesByName { AttributesByName(entries.map { ($0.name, $0.value) }) { _, last in last } }

    /// As `attributes` of a user is stored.
    init(stored json: [UInt8]) throws {
        self = try JSONDecoding.decode(from: json)
    }
}

extension AttributesByName {
    var json: [UInt8] {
        get throws { try JSONEncoding.encode(Attributes(map { Attributes.Entry(name: $0.key, value: $0.value) })) }
    }

    /// As it is to be stored. Throws `UserRefusal` for what one user can't have: more could be stored bit by bit, but not be
    /// sent or read in one piece.
    var jsonWithinLimits: [UInt8] {
        get throws {
            guard count <= Limits.attributesPerUser.value else { throw UserRefusal.tooMany(Limits.attributesPerUser) }
            let json = try json
            guard json.count <= Limits.attributesBytes.value else { throw UserRefusal.tooMany(Limits.attributesBytes) }
            return json
        }
    }

    /// Names that are not there are added, `null` removes, the rest stays. Whether anything changed.
    mutating func merge(_ entries: [Attributes.Entry]) -> Bool {
        var changed = false
        for entry in entries {
            if entry.value == .null {
                if removeValue(forKey: entry.name) != nil { changed = true }
            } else if self[entry.name].map({ !$0.isEquivalent(to: entry.value) }) ?? true {
                self[entry.name] = entry.value
                changed = true
            }
        }
        return changed
    }

    /// Takes over what is missing. Whether anything was.
    mutating func fill(from other: AttributesByName) -> Bool {
        let before = count
        merge(other) { own, _ in own }
        return count != before
    }
}

extension AttributeValue {
    /// Whether two values say the same: PostgreSQL keeps the fields of an object in an order of its own.
    func isEquivalent(to other: AttributeValue) -> Bool {
        if self == other { return true }
        switch (self, other) {
        case (.integer(let whole), .number(let number)), (.number(let number), .integer(let whole)):
            return Double(whole) == number
        case (.other(let a), .other(let b)): return a.canonicalForm != nil && a.canonicalForm == b.canonicalForm
        default: return false
        }
    }
}

extension RawJSON {
    /// Gives the value to `body`, which must not keep it.
    func read<R>(_ body: (JSONValue) throws -> R?) throws -> R? {
        try (Array("{\"v\":".utf8) + bytes + [UInt8(ascii: "}")]).withUnsafeBytes { bytes in
            try JSONReaders.shared.read(bytes) { document in try document.field("v").flatMap(body) }
        }
    }

    /// What is the same for equal values, in whatever order the fields of objects stand.
    var identity: [UInt8] {
        let isContainer = bytes.first == UInt8(ascii: "{") || bytes.first == UInt8(ascii: "[")
        return isContainer ? canonicalForm ?? bytes : bytes
    }

    /// The value with the fields of all objects sorted, in a form made only to be compared; nil where it can't be read.
    fileprivate var canonicalForm: [UInt8]? {
        try? read { value in
            var form: [UInt8] = []
            try value.appendCanonicalForm(to: &form)
            return form
        }
    }
}

extension AttributeValue {
    static let unusableText = "has U+0000 or half of a surrogate pair"
    static let unusableNumber = "has a number outside of ±2^53"

    /// Why PostgreSQL can't keep the value, or doesn't give it back so that it can be read, as the end of a sentence;
    /// nil where it can. It writes a number without an exponent, and integers beyond ±2^53 are no JSON to us.
    var storageProblem: String? {
        switch self {
        case .null, .bool, .integer: return nil
        case .number(let number): return abs(number) <= 0x1p53 ? nil : Self.unusableNumber
        case .string(let text): return text.contains(0) ? Self.unusableText : nil
        case .strings(let texts): return texts.contains { $0.contains(0) } ? Self.unusableText : nil
        case .other(let json):
            do { return try json.read { $0.storageProblem } } catch { return "can't be read" }
        }
    }

}

extension JSONValue {
    /// Recursive: the reader bounds the depth.
    fileprivate var storageProblem: String? {
        switch kind {
        case .number: (try? double()).map { abs($0) <= 0x1p53 } ?? false ? nil : AttributeValue.unusableNumber
        case .string: isUnusable ? AttributeValue.unusableText : nil
        case .array: (try? elements())?.lazy.compactMap(\.storageProblem).first
        case .object:
            (try? fields())?.lazy.compactMap { name, value in
                name.isUnusable ? AttributeValue.unusableText : value.storageProblem
            }.first
        default: nil
        }
    }
}

extension RawJSON {
    /// Whether a field at any depth has a name with `$`, but for `$time`: kept as a value it would take the place of
    /// what an operator means to change.
    var namesOperator: Bool {
        // Most values have neither a $ nor an escape, which could stand for one.
        guard bytes.contains(where: { $0 == UInt8(ascii: "$") || $0 == UInt8(ascii: "\\") }) else { return false }
        return (try? read { try $0.namesOperator }) ?? false
    }
}

extension JSONValue {
    /// Recursive: the reader bounds the depth.
    fileprivate var namesOperator: Bool {
        get throws {
            switch kind {
            case .array: try elements().contains { try $0.namesOperator }
            case .object:
                try fields().contains { name, value in
                    let isOperator = name.withUnsafeBytes {
                        $0.first == UInt8(ascii: "$") && !$0.elementsEqual("$time".utf8)
                    }
                    return try isOperator || value.namesOperator
                }
            default: false
            }
        }
    }
}

extension JSONValue {
    /// Recursive: the reader bounds the depth.
    fileprivate func appendCanonicalForm(to form: inout [UInt8]) throws {
        switch kind {
        case .array:
            form.append(UInt8(ascii: "["))
            for element in try elements() {
                try element.appendCanonicalForm(to: &form)
                form.append(UInt8(ascii: ","))
            }
            form.append(UInt8(ascii: "]"))
        case .object:
            form.append(UInt8(ascii: "{"))
            let fields = try fields().map { field in
                (name: field.name.withUnsafeBytes { [UInt8]($0) }, value: field.value)
            }
            for field in fields.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
                form.append(contentsOf: "\(field.name.count):".utf8)
                form.append(contentsOf: field.name)
                try field.value.appendCanonicalForm(to: &form)
            }
            form.append(UInt8(ascii: "}"))
        default: form.append(contentsOf: RawJSON(self).bytes)
        }
    }
}
