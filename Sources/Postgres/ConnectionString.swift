import CLibpq

/// A connection string that libpq has parsed into keywords: `host=… dbname=…` or `postgresql://…`.
public struct ConnectionString: Sendable {
    private var given: [String: String] = [:]

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
            if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        Self.cutBrackets(&given)
    }

    /// Removes the brackets around IPv6 addresses. Libpq does so only in URLs; elsewhere it would resolve a name with
    /// brackets.
    static func cutBrackets(_ values: inout [String: String]) {
        for keyword in ["host", "hostaddr"] { values[keyword] = values[keyword].map(withoutBrackets) }
    }

    private static func withoutBrackets(_ hosts: String) -> String {
        hosts.split(separator: ",", omittingEmptySubsequences: false).map { host in
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]") && host.contains(":")
            return String(isBracketed ? host.dropFirst().dropLast() : host)
        }.joined(separator: ",")
    }

    /// The value of a keyword such as `dbname`; nil when it is absent.
    public subscript(keyword: String) -> String? {
        get { given[keyword] }
        set { given[keyword] = newValue }
    }

    /// All keywords and values in libpq's form. Can contain a password.
    public var text: String {
        given.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.quoted($0.value))" }.joined(separator: " ")
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
            guard given[keyword] == nil, let variable, let value = environment[variable] else { continue }
            let cut = value.utf8.reversed().drop { $0 == 0x0A || $0 == 0x0D }.reversed()
            guard cut.count < value.utf8.count else { continue }
            given[keyword] = String(decoding: cut, as: UTF8.self)
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
