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

    /// Names that are not there are added, `null` removes, the rest stays. Whether anything changed.
    mutating func merge(_ entries: [Attributes.Entry]) -> Bool {
        var changed = false
        for entry in entries {
            if entry.value == .null {
                if removeValue(forKey: entry.name) != nil { changed = true }
            } else if self[entry.name].map({ !$0.says(entry.value) }) ?? true {
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
    func says(_ other: AttributeValue) -> Bool {
        if self == other { return true }
        switch (self, other) {
        case (.integer(let whole), .number(let number)), (.number(let number), .integer(let whole)):
            return Double(whole) == number
        case (.other(let a), .other(let b)): return a.inOneOrder != nil && a.inOneOrder == b.inOneOrder
        default: return false
        }
    }
}

extension RawJSON {
    /// The value with the fields of all objects sorted, in a form made only to be compared; nil where it can't be read.
    fileprivate var inOneOrder: [UInt8]? {
        try? JSONReaders.shared.read(Array("{\"v\":".utf8) + bytes + Array("}".utf8)) { document in
            var form: [UInt8] = []
            try document.field("v")?.appendInOneOrder(to: &form)
            return form
        }
    }
}

extension JSONValue {
    /// Recursive: the reader bounds the depth.
    fileprivate func appendInOneOrder(to form: inout [UInt8]) throws {
        switch kind {
        case .array:
            form.append(UInt8(ascii: "["))
            for element in try elements() {
                try element.appendInOneOrder(to: &form)
                form.append(UInt8(ascii: ","))
            }
            form.append(UInt8(ascii: "]"))
        case .object:
            form.append(UInt8(ascii: "{"))
            let fields = try fields().map { field in (name: field.name.withUnsafeBytes { [UInt8]($0) }, value: field.value) }
            for field in fields.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
                form.append(contentsOf: "\(field.name.count):".utf8)
                form.append(contentsOf: field.name)
                try field.value.appendInOneOrder(to: &form)
            }
            form.append(UInt8(ascii: "}"))
        default: form.append(contentsOf: RawJSON(self).bytes)
        }
    }
}
