import MusterProtocol

/// A JSON value that can be taken apart and put together differently.
indirect enum Tree: Equatable, Sendable {
    case scalar(String)
    case array([Tree])
    case object([Field])

    struct Field: Equatable, Sendable {
        var name: String
        var value: Tree
    }

    init(_ value: JSONValue) throws {
        switch value.kind {
        case .array: self = .array(try value.elements().map(Tree.init))
        case .object:
            self = .object(
                try value.fields().map { field in
                    Field(
                        name: field.name.withUnsafeBytes { String(decoding: $0, as: UTF8.self) },
                        value: try Tree(field.value))
                })
        default: self = .scalar(RawJSON(value).text)
        }
    }

    /// What a call or a reply is on the wire.
    init(encoding value: some Encodable) throws {
        self = try JSONReader().read(try JSONEncoding.encode(value), Tree.init)
    }

    var text: String {
        switch self {
        case .scalar(let text): text
        case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
        case .object(let fields): "{" + fields.map { "\"\($0.name)\":\($0.value.text)" }.joined(separator: ",") + "}"
        }
    }

    enum Kind: CaseIterable { case null, bool, number, string, array, object }

    var kind: Kind {
        switch self {
        case .array: .array
        case .object: .object
        case .scalar("null"): .null
        case .scalar("true"), .scalar("false"): .bool
        case .scalar(let text): text.hasPrefix("\"") ? .string : .number
        }
    }

    subscript(name: String) -> Tree? {
        guard case .object(let fields) = self else { return nil }
        return fields.first { $0.name == name }?.value
    }

    var fields: [Field] { if case .object(let fields) = self { fields } else { [] } }

    func with(_ name: String, _ value: Tree?) -> Tree {
        guard case .object(var fields) = self else { return self }
        guard let place = fields.firstIndex(where: { $0.name == name }) else {
            return .object(fields + (value.map { [Field(name: name, value: $0)] } ?? []))
        }
        if let value { fields[place].value = value } else { fields.remove(at: place) }
        return .object(fields)
    }

    /// Every place below this value: its path as errors write it, its value, and the whole with another value there.
    func places(_ path: String = "") -> [(path: String, value: Tree, replacing: (Tree) -> Tree)] {
        switch self {
        case .scalar: return []
        case .array(let elements):
            return elements.indices.flatMap { index in
                Self.below("\(path)[\(index)]", elements[index]) { new in
                    var elements = elements
                    elements[index] = new
                    return .array(elements)
                }
            }
        case .object(let fields):
            return fields.indices.flatMap { index in
                Self.below((path.isEmpty ? "" : path + ".") + fields[index].name, fields[index].value) { new in
                    var fields = fields
                    fields[index].value = new
                    return .object(fields)
                }
            }
        }
    }

    private static func below(
        _ path: String, _ value: Tree, _ replace: @escaping (Tree) -> Tree
    ) -> [(path: String, value: Tree, replacing: (Tree) -> Tree)] {
        [(path, value, replace)]
            + value.places(path).map { place in (place.path, place.value, { replace(place.replacing($0)) }) }
    }

    /// The same with every string changed that `change` changes.
    func mapStrings(_ change: (String) -> String) -> Tree {
        switch self {
        case .array(let elements): .array(elements.map { $0.mapStrings(change) })
        case .object(let fields): .object(fields.map { Field(name: $0.name, value: $0.value.mapStrings(change)) })
        case .scalar(let text) where text.hasPrefix("\""):
            .scalar("\"" + change(String(text.dropFirst().dropLast())) + "\"")
        case .scalar: self
        }
    }
}
