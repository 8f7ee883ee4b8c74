import CLibpq

/// A connection string, read by libpq into its keywords: `host=… dbname=…` and `postgresql://…` alike.
public struct ConnectionString: Sendable {
    private var given: [String: String] = [:]

    /// Throws where libpq can't read it. Shows nothing of it: it can hold a password.
    public init(_ text: String) throws {
        guard !text.utf8.contains(0), let options = PQconninfoParse(text, nil) else {
            throw PostgresError(.misuse, "libpq cannot read the connection string")
        }
        defer { PQconninfoFree(options) }
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
    }

    /// The value of a keyword such as `dbname`; nil where the string doesn't say.
    public subscript(keyword: String) -> String? {
        get { given[keyword] }
        set { given[keyword] = newValue }
    }

    /// All keywords and values in libpq's form. It can hold a password.
    public var text: String {
        given.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted($0.value))" }.joined(separator: " ")
    }

    private static func quoted(_ value: String) -> String {
        "'" + value.flatMap { $0 == "'" || $0 == "\\" ? ["\\", $0] : [$0] } + "'"
    }
}

extension ConnectionString: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never a value.
    public var description: String { "‹connection string›" }
    /// Never a value.
    public var debugDescription: String { description }
    /// Never a value.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
