import CLibpq

/// A connection string, read by libpq into its keywords: `host=… dbname=…` and `postgresql://…` alike.
public struct ConnectionString: Sendable {
    private var given: [String: String] = [:]

    /// One that says nothing.
    init() {}

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
        Self.cutBrackets(&given)
    }

    /// Takes off the brackets in which an address of IPv6 stands in URLs: libpq does so only there, and looks for a
    /// name with brackets otherwise.
    static func cutBrackets(_ values: inout [String: String]) {
        for keyword in ["host", "hostaddr"] { values[keyword] = values[keyword].map(withoutBrackets) }
    }

    private static func withoutBrackets(_ hosts: String) -> String {
        hosts.split(separator: ",", omittingEmptySubsequences: false).map { host in
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]") && host.contains(":")
            return String(isBracketed ? host.dropFirst().dropLast() : host)
        }.joined(separator: ",")
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

    /// By scalars: a quote that an accent follows is another Character, and still ends the value.
    private static func quoted(_ value: String) -> String {
        var quoted: String.UnicodeScalarView = "'".unicodeScalars
        for scalar in value.unicodeScalars {
            if scalar == "'" || scalar == "\\" { quoted.append("\\") }
            quoted.append(scalar)
        }
        return String(quoted) + "'"
    }

    /// Takes the values of libpq's own variables, such as `PGPASSWORD`, that end in a line end, as the content of a
    /// mounted secret does: libpq would take that as a part of the value. Says whether there were any. What the string
    /// itself says wins.
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
