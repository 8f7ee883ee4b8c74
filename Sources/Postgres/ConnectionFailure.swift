/// Parses libpq's message about a failed connection attempt: finds the server's SQLSTATE and decides whether waiting
/// can help.
///
/// The server's message may be translated, so its SQLSTATE decides. Libpq's own messages are in English, because this
/// process never calls `setlocale`. Messages of poolers are in English too; poolers use one SQLSTATE for all errors.
struct ConnectionFailure {
    /// The response of one host.
    private struct Attempt {
        var message: String
        var sqlState: SQLState?
        var needsPassword = false
    }

    private let attempts: [Attempt]
    /// The prefixes of libpq's message for the next host.
    private static let beginnings = [
        "connection to server ", "could not translate host name ", "could not parse network address ",
        "invalid port number",
    ]

    /// - Parameters:
    ///   - text: libpq's verbose message, with a response for each host that was tried.
    ///   - needsPassword: whether the last host asked for a password and none was given.
    init(_ text: String, needsPassword: Bool = false) {
        var attempts: [Attempt] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("LOCATION:  ") {
            let (words, sqlState) = Self.withoutState(line)
            if attempts.isEmpty || Self.beginnings.contains(where: line.hasPrefix) {
                attempts.append(Attempt(message: words, sqlState: sqlState))
            } else {
                attempts[attempts.count - 1].message += "; \(words)"
            }
        }
        if !attempts.isEmpty { attempts[attempts.count - 1].needsPassword = needsPassword }
        self.attempts = attempts
    }

    var error: PostgresError {
        var error = PostgresError(.unavailable, attempts.map(\.message).joined(separator: "; "))
        error.sqlState = attempts.last { $0.sqlState != nil }?.sqlState
        let advice = attempts.compactMap { self.advice(for: $0) }
        // A host that is only unreachable may come back, and is then the one to connect to.
        error.isRefusal = !attempts.isEmpty && advice.count == attempts.count
        error.hint = advice.last
        return error
    }

    /// What an operator must change; nil when waiting may be enough.
    private func advice(for attempt: Attempt) -> String? {
        if attempt.needsPassword { return Self.checkPassword }
        if let state = attempt.sqlState, state != .protocolViolation { return Self.advice[state] }
        return Self.adviceByWords.first { words, _ in words.allSatisfy { attempt.message.contains($0) } }?.1
    }

    private static let checkPassword = "check the user and the password of the connection string"
    private static let checkRole =
        "check the user of the connection string, and that pg_hba.conf and the role's LOGIN let it in from here"
    private static let checkDatabase = "create the database, or name another one in the connection string"
    static let checkSetting = "correct or remove this setting of the connection string or of PGOPTIONS"
    private static let checkTLS = "check sslmode, sslrootcert, sslcert and sslkey of the connection string"
    static let checkString = "correct the connection string"

    /// Conditions that waiting does not resolve.
    static let advice: [SQLState: String] = [
        SQLState(rawValue: "28P01"): checkPassword, SQLState(rawValue: "28000"): checkRole,
        SQLState(rawValue: "3D000"): checkDatabase,
        .insufficientPrivilege: "grant CONNECT on the database to the role",
        .undefinedObject: checkSetting, .invalidParameterValue: checkSetting,
        .cannotChangeRuntimeParameter: checkSetting,
    ]

    private static let adviceByWords: [([String], String)] = [
        (
            ["unsupported startup parameter"],
            "a pooler refuses this parameter: remove it from the connection string (`options`) and from the environment"
                + "(PGOPTIONS and the like), or list it in the pooler's ignore_startup_parameters"
        ),
        (["authentication failed"], checkPassword), (["no password supplied"], checkPassword),
        (["role \"", "does not exist"], checkRole), (["no such user"], checkRole),
        (["no pg_hba.conf entry"], checkRole), (["is not permitted to log in"], checkRole),
        (["database \"", "does not exist"], checkDatabase), (["no such database"], checkDatabase),
        (["SSL was required"], checkTLS), (["certificate"], checkTLS), (["private key file"], checkTLS),
        (["channel binding"], checkTLS), (["invalid port number"], checkString),
        (["invalid ", " value: \""], checkString), (["could not match"], checkString),
        (["invalid integer value \""], checkString), (["definition of service \""], checkString),
        (["service file \""], checkString), (["could not parse network address \""], checkString),
    ]

    /// Extracts the SQLSTATE from `…:  28P01: …`; the severity before it may be in any language.
    private static func withoutState(_ line: Substring) -> (String, SQLState?) {
        let line = line.drop { $0 == "\t" || $0 == " " }
        guard let range = line.firstRange(of: #/:  [0-9A-Z]{5}: /#) else { return (String(line), nil) }
        let state = line[range].dropFirst(3).dropLast(2)
        return (line[..<range.lowerBound] + ": " + line[range.upperBound...], SQLState(rawValue: String(state)))
    }
}
