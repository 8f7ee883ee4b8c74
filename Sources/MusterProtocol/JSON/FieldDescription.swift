/// A field of a call's body or of its reply, as the type that reads it asks for it.
public struct FieldDescription: Sendable, Equatable {
    /// Whether a field may be left out of the object that it stands in.
    public enum Presence: Sendable, Equatable {
        case required, optional
        /// The object is a choice between its fields.
        case choice
    }

    /// Where it stands, such as `cohort_changes[].user_ids`; `[]` stands for every element of an array.
    public let path: String
    /// What its value is, in words of JSON.
    public let type: String
    /// Nil where nothing asks for it, which a test finds.
    public let presence: Presence?
    /// What its value is held to besides, such as `1 to 1024 bytes (identifier_bytes)`. Nil where only notes say it.
    public let bounds: String?
    /// Whether the call judges the object that it stands in by itself, and applies others where this one is wrong.
    public let isJudgedAlone: Bool

    /// Whether it stands in the body itself, and not in an object inside it.
    public var isTopLevel: Bool { path.allSatisfy { $0 != "." && $0 != "[" } }
}

extension Call {
    /// The paths of the fields that the call's body may have, such as `cohort_changes[].user_ids`: each field is
    /// followed by those inside it. What is data has none inside, and a filter inside a filter is not gone into again.
    public static func fieldPaths() throws -> [String] { try bodyFields().map(\.path) }

    /// The fields that the call's body may have, in the order of `fieldPaths()`.
    public static func bodyFields() throws -> [FieldDescription] { try FieldNotes.fields(of: Self.self) }

    /// The fields that its reply may have.
    public static func replyFields() throws -> [FieldDescription] { try FieldNotes.fields(of: Reply.self) }
}

/// What a value is in JSON.
enum FieldKind {
    /// One of those that have a name.
    case named(String)
    /// One of these strings.
    case oneOf([String])
    case object, array
    /// The same as what stands at a path around it.
    case again(String)

    /// In words; `element` are those of what an array is of.
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
