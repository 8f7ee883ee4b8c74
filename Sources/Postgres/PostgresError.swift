/// What went wrong in a unit of work, and what is known about its effect.
///
/// Its description shows no bound value and no stored one: those can be in `message`, `detail` and `context`,
/// which are there for a program to read and not for a log.
public struct PostgresError: Error, Sendable {
    /// What happened, as far as a caller must tell cases apart.
    public enum Kind: String, Sendable, Hashable {
        /// The server refused the statement; `sqlState` says why. Nothing of the transaction is kept.
        case server
        /// The connection ended before COMMIT was sent: nothing of the transaction is kept.
        case connectionLost
        /// COMMIT was sent and its answer did not arrive: the transaction may be kept or not.
        case commitOutcomeUnknown
        /// COMMIT was answered, but nothing was committed: an earlier statement had failed, or no transaction was open.
        case notCommitted
        /// The deadline passed, in the queue or in a statement. Nothing of the transaction is kept.
        case deadlineExceeded
        /// The task was cancelled. Nothing of the transaction is kept.
        case cancelled
        /// There is more work than can be done in time; this was not started.
        case overloaded
        /// No connection could be made before the deadline, or for as long as work may wait for one; this was not started.
        case unavailable
        /// The database is closed or closing; this was not started.
        case closed
        /// A value could not be sent: a NUL in a text, or more bytes than PostgreSQL takes.
        case encoding
        /// A column did not hold what was asked for: another type, a NULL, a wrong length.
        case decoding
        /// The call does not fit the statement, such as COPY passed to `query`.
        case misuse
    }

    /// What happened.
    public let kind: Kind
    /// The condition that the server named; nil where none arrived.
    public var sqlState: SQLState?
    /// Waiting does not mend it: PostgreSQL, or a pooler before it, refuses connections until an operator changes
    /// something, such as a password. `hint` says what. Only with `.unavailable`.
    public internal(set) var isRefusal = false
    /// When to try again; only with `.overloaded`.
    public internal(set) var retryAfterMilliseconds: Int?
    /// A pooler was seen to give the session to others.
    var isPooling = false
    /// ERROR, FATAL or PANIC, never translated.
    public var severity: String?
    /// The primary message. May quote values.
    public var message: String
    /// The server's detail. Often quotes values: `Key (email)=(…) already exists.`
    public var detail: String?
    /// The server's hint.
    public var hint: String?
    /// Where in functions the error arose. May quote values.
    public var context: String?
    /// The schema of the object that the error is about.
    public var schema: String?
    /// The table that the error is about.
    public var table: String?
    /// The column that the error is about.
    public var column: String?
    /// The data type that the error is about.
    public var dataType: String?
    /// The constraint that was violated.
    public var constraint: String?
    /// The character of the statement at which the error lies, from 1.
    public var position: String?
    /// The same within `internalQuery`.
    public var internalPosition: String?
    /// The statement of a function that failed.
    public var internalQuery: String?
    /// The file of the server's source that reported the error.
    public var sourceFile: String?
    /// The line of the server's source that reported the error.
    public var sourceLine: String?
    /// The function of the server's source that reported the error.
    public var sourceFunction: String?

    /// An error without a server's message. `message` must hold no value that was bound or read.
    public init(_ kind: Kind, _ message: String = "") {
        self.kind = kind
        self.message = message
    }

    /// The same facts as another case: what a failure means depends on what had been sent before it.
    func asKind(_ kind: Kind) -> PostgresError {
        var copy = PostgresError(kind, message)
        (copy.isRefusal, copy.isPooling) = (isRefusal, isPooling)
        (copy.sqlState, copy.severity, copy.detail, copy.hint) = (sqlState, severity, detail, hint)
        (copy.context, copy.schema, copy.table, copy.column) = (context, schema, table, column)
        (copy.dataType, copy.constraint, copy.position) = (dataType, constraint, position)
        (copy.internalPosition, copy.internalQuery) = (internalPosition, internalQuery)
        (copy.sourceFile, copy.sourceLine, copy.sourceFunction) = (sourceFile, sourceLine, sourceFunction)
        return copy
    }
}

extension PostgresError {
    /// Whether the same unit of work may succeed when it is run again, and this run left nothing behind.
    public var isTransient: Bool {
        switch kind {
        case .unavailable: !isRefusal
        case .connectionLost, .overloaded: true
        case .server:
            switch sqlState {
            case .serializationFailure, .deadlockDetected, .lockNotAvailable, .tooManyConnections, .cannotConnectNow:
                true
            default: false
            }
        default: false
        }
    }
}

extension PostgresError {
    /// Why there is no connection and, where waiting does not mend it, what to change: for an operator. It names hosts,
    /// roles and databases, and no password. Anything else than `.unavailable` is described as in a log.
    public var cause: String {
        guard kind == .unavailable else { return description }
        return [message, hint].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: ": ")
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Kind, SQLSTATE, names of schema objects, and the message where its family never quotes values.
    public var description: String {
        var text = "PostgresError(\(kind.rawValue)"
        if let sqlState { text += ", sqlState: \(sqlState)" }
        if let severity { text += ", severity: \(severity)" }
        if messageIsFreeOfValues, !message.isEmpty { text += ", message: \(message)" }
        for (label, name) in [("schema", schema), ("table", table), ("column", column), ("constraint", constraint)] {
            if let name { text += ", \(label): \(name)" }
        }
        return text + ")"
    }

    /// The same as `description`.
    public var debugDescription: String { description }

    /// Empty, so that `dump` and test failures print the description and not the fields behind it.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Families whose messages name schema objects and never data. Class 22 quotes the value it dislikes, P0 is
    /// whatever a function of the schema says, and what is not listed is not trusted.
    private var messageIsFreeOfValues: Bool {
        guard kind != .unavailable, let sqlState else { return true }  // our own words, or libpq's about the connection
        switch sqlState.conditionClass {
        case "08", "0A", "23", "25", "26", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX":
            return true
        default: return false
        }
    }
}
