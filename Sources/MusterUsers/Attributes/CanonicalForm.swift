package import MusterProtocol

extension AttributeValue {
    /// Whether two values are the same JSON value: PostgreSQL stores the fields of an object in an order of its own.
    package func isEquivalent(to other: AttributeValue) -> Bool {
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
    /// Calls `body` with the value, which must not outlive the call.
    func read<R>(_ body: (JSONValue) throws -> R?) throws -> R? {
        try (Array("{\"v\":".utf8) + bytes + [UInt8(ascii: "}")]).withUnsafeBytes { bytes in
            try JSONReaders.shared.read(bytes) { document in try document.field("v").flatMap(body) }
        }
    }

    /// The same bytes for equal objects and arrays, independent of the order of fields.
    package var comparisonKey: [UInt8] {
        let isContainer = bytes.first == UInt8(ascii: "{") || bytes.first == UInt8(ascii: "[")
        return isContainer ? canonicalForm ?? bytes : bytes
    }

    /// The value with the fields of all objects sorted, for comparison only; nil where it can't be read.
    fileprivate var canonicalForm: [UInt8]? {
        try? read { value in
            var form: [UInt8] = []
            try value.appendCanonicalForm(to: &form)
            return form
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
