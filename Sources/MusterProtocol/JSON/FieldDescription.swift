/// A field of a call's body or reply, as recorded from the `init(from:)` that reads it.
public struct FieldDescription: Sendable, Equatable {
    /// Whether the field may be absent from its object.
    public enum Presence: Sendable, Equatable {
        case required, optional
        /// The object is a choice between its fields.
        case choice
    }

    /// The path, such as `cohort_changes[].user_ids`; `[]` stands for each element of an array.
    public let path: String
    /// The type of the value in JSON.
    public let type: String
    /// Nil when nothing in the code asks for the field; a test fails on one.
    public let presence: Presence?
    /// The bounds of the value, such as `1 to 1024 bytes (identifier_bytes)`. Nil when only the notes tell them.
    public let bounds: String?
    /// Whether the call validates the enclosing object separately and applies the others when this one is wrong.
    public let isValidatedSeparately: Bool

    /// Whether the field is in the body itself rather than in a nested object.
    public var isTopLevel: Bool { path.allSatisfy { $0 != "." && $0 != "[" } }
}

extension Call {
    /// The paths of the fields that the call's body may have, such as `cohort_changes[].user_ids`; each field precedes
    /// its nested fields. Objects whose keys are data have no nested paths, and nested filters are listed once.
    public static func fieldPaths() throws -> [String] { try bodyFields().map(\.path) }

    /// The fields that the call's body may have, in the order of `fieldPaths()`.
    public static func bodyFields() throws -> [FieldDescription] { try FieldNotes.fields(of: Self.self) }

    /// The fields that the reply may have.
    public static func replyFields() throws -> [FieldDescription] { try FieldNotes.fields(of: Reply.self) }
}

/// The JSON type of a value.
enum FieldKind {
    /// A named type.
    case named(String)
    /// One of these strings.
    case oneOf([String])
    case object, array
    /// The same type as the value at an enclosing path.
    case again(String)

    /// The type in words; `element` describes the elements of an array.
    func words(element: @autoclosure () -> FieldKind?) -> String {
        switch self {
        case .named(let name): name
        case .oneOf(let names): names.map { "`\"\($0)\"`" }.joined(separator: ", ")
        case .object: "object"
        case .again(let path): "object as `\(path)`"
        case .array: element().map { "array of \($0.plural)" } ?? "array"
        }
    }

    private var plural: String {
        switch self {
        case .named(let name): "\(name)s"
        case .object: "objects"
        case .again(let path): "objects as `\(path)`"
        case .array: "arrays"
        case .oneOf: words(element: nil)
        }
    }
}
