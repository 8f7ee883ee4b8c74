/// The path of a value, for an error. Computed from the table only when there is an error.
enum JSONPath {
    struct Component: CodingKey {
        var stringValue: String
        var intValue: Int?
        init(stringValue: String) { self.stringValue = stringValue }
        init(intValue: Int) {
            self.intValue = intValue
            stringValue = "Index \(intValue)"
        }
    }

    /// The path from the value at which decoding began to `value`.
    static func components(to value: JSONValue) -> [Component] {
        var path: [Component] = []
        var at = value.root
        while at.index < value.index {
            guard let (component, child) = step(from: at, towards: value) else { break }
            path.append(component)
            at = child
        }
        return path
    }

    private static func step(from parent: JSONValue, towards target: JSONValue) -> (Component, JSONValue)? {
        if parent.kind == .object {
            for field in JSONFields(parent) where target.index < field.value.next {
                return (Component(stringValue: field.name.withUnsafeBytes(shown)), field.value)
            }
        }
        for (number, element) in JSONElements(parent).enumerated() where target.index < element.next {
            return (Component(intValue: number), element)
        }
        return nil
    }

    static func text(_ path: some Sequence<any CodingKey>) -> String {
        path.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
    }

    /// Whether a key could be one of our calls'. Any other key is data or arbitrarily long.
    private static func shown(_ key: UnsafeRawBufferPointer) -> String {
        let plain = key.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return plain && !key.isEmpty && key.count <= 64 ? String(decoding: key, as: UTF8.self) : "‹key›"
    }
}
