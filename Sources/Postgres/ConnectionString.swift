import CLibpq

/// A connection string that libpq has parsed into keywords: `host=… dbname=…` or `postgresql://…`.
public struct ConnectionString: Sendable {
    /// What the string says, by keyword. It can hold a password.
    private(set) var keywords: [String: String] = [:]

    /// An empty connection string.
    init() {}

    /// Throws when libpq can't parse it. The error contains nothing of it, because it can hold a password.
    public init(_ text: String) throws {
        guard !text.utf8.contains(0), let options = PQconninfoParse(text, nil) else {
            throw PostgresError(.misuse, "libpq can't parse the connection string")
        }
        defer { PQconninfoFree(options) }
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { keywords[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        for keyword in ["host", "hostaddr"] { keywords[keyword] = keywords[keyword].map(Self.withoutBrackets) }
    }

    /// Removes the brackets around an address of IPv6: libpq does so in URLs only, and looks for a name with brackets
    /// elsewhere.
    private static func withoutBrackets(_ hosts: String) -> String {
        hosts.split(separator: ",", omittingEmptySubsequences: false).map { host in
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]") && host.contains(":")
            return String(isBracketed ? host.dropFirst().dropLast() : host)
        }.joined(separator: ",")
    }

    /// The value of a keyword such as `dbname`; nil when it is absent.
    public subscript(keyword: String) -> String? {
        get { keywords[keyword] }
        set { keywords[keyword] = newValue }
    }

    /// All keywords and values in libpq's form. Can contain a password.
    public var text: String {
        keywords.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted($0.value))" }.joined(separator: " ")
    }

    /// Compares Unicode scalars: a quote before a combining accent is another Character, but still ends the value.
    private static func quoted(_ value: String) -> String {
        var quoted: String.UnicodeScalarView = "'".unicodeScalars
        for scalar in value.unicodeScalars {
            if scalar == "'" || scalar == "\\" { quoted.append("\\") }
            quoted.append(scalar)
        }
        return String(quoted) + "'"
    }

    /// Replaces libpq's variables, such as `PGPASSWORD`, whose values end in a line break, as mounted secrets do: libpq
    /// would include it in the value. Returns whether there were any. Keywords of the connection string take
    /// precedence.
    public mutating func cutVariables(_ environment: [String: String]) -> Bool {
        guard let options = PQconndefaults() else { return false }
        defer { PQconninfoFree(options) }
        var found = false
        var option = options
        while let keyword = option.pointee.keyword.map({ String(cString: $0) }) {
            let variable = option.pointee.envvar.map { String(cString: $0) }
            option += 1
            guard keywords[keyword] == nil, let variable, let value = environment[variable] else { continue }
            let cut = value.utf8.reversed().drop { $0 == 0x0A || $0 == 0x0D }.reversed()
            guard cut.count < value.utf8.count else { continue }
            keywords[keyword] = String(decoding: cut, as: UTF8.self)
            found = true
        }
        return found
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
