/// Why a unit of work failed, and what is known about its effects.
///
/// `description` contains no bound or stored value. `message`, `detail` and `context` can contain some; they are for
/// programs, not for logs.
public struct PostgresError: Error, Sendable {
    /// The cases that a caller must distinguish.
    public enum Kind: String, Sendable, Hashable {
        /// The server refused the statement; `sqlState` says why. The transaction has no effect.
        case server
        /// The connection was lost before COMMIT was sent: the transaction has no effect.
        case connectionLost
        /// The reply to COMMIT was lost: the outcome of the transaction is unknown.
        case commitOutcomeUnknown
        /// COMMIT was answered but nothing was committed: an earlier statement had failed, or no transaction was open.
        case notCommitted
        /// The deadline passed, in the queue or in a statement. The transaction has no effect.
        case deadlineExceeded
        /// The task was cancelled. The transaction has no effect.
        case cancelled
        /// The work could not be done in time and was not started.
        case overloaded
        /// No connection was available before the deadline, or for as long as work may wait for one; the work was not
        /// started.
        case unavailable
        /// The database is closed or closing; the work was not started.
        case closed
        /// A value could not be encoded: a NUL in a text, or more bytes than PostgreSQL accepts.
        case encoding
        /// A column did not have the requested type: another type, a NULL, a wrong length.
        case decoding
        /// The call does not match the statement, such as COPY.
        case misuse
    }

    /// The case.
    public let kind: Kind
    /// The server's SQLSTATE; nil without a server's message.
    public var sqlState: SQLState?
    /// PostgreSQL or a pooler refuses connections until an operator changes something, such as a password; `hint` says
    /// what. Only with `.unavailable`.
    public internal(set) var isRefusal = false
    /// When to retry; only with `.overloaded`.
    public internal(set) var retryAfterMilliseconds: Int?
    /// A pooler gave the session to other clients.
    var isPooling = false
    /// ERROR, FATAL or PANIC, not translated.
    public var severity: String?
    /// The primary message. Can quote values.
    public var message: String
    /// The server's detail. Often quotes values: `Key (email)=(…) already exists.`
    public var detail: String?
    /// The server's hint.
    public var hint: String?
    /// The call stack of functions in the server. Can quote values.
    public var context: String?
    /// The schema of the affected object.
    public var schema: String?
    /// The affected table.
    public var table: String?
    /// The affected column.
    public var column: String?
    /// The affected data type.
    public var dataType: String?
    /// The violated constraint.
    public var constraint: String?
    /// The position of the error in the statement in characters, from 1.
    public var position: String?
    /// The position of the error within `internalQuery`.
    public var internalPosition: String?
    /// The failed statement of a function.
    public var internalQuery: String?
    /// The file of the server's source that reported the error.
    public var sourceFile: String?
    /// The line of the server's source that reported the error.
    public var sourceLine: String?
    /// The function of the server's source that reported the error.
    public var sourceFunction: String?

    /// Makes an error without a server's message. `message` must contain no bound or stored value.
    public init(_ kind: Kind, _ message: String = "") {
        self.kind = kind
        self.message = message
    }

    /// The same error as another case: the meaning of a failure depends on what was sent before it.
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
    /// Whether the same unit of work may succeed when it runs again, and this run had no effect.
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
    /// Why there is no connection and, when waiting does not help, what to change; for operators. Names hosts, roles
    /// and databases, but no password. For other kinds than `.unavailable`, the same as in a log.
    public var cause: String {
        guard kind == .unavailable else { return description }
        return [message, hint].compactMap(\.self).filter { !$0.isEmpty }.joined(separator: ": ")
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Kind, SQLSTATE, names of schema objects, and the message when its class never quotes values.
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

    /// Empty, so that `dump` and test failures print the description instead of the fields.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Classes whose messages name schema objects and never data. Class 22 quotes the offending value, P0 has messages
    /// of the schema's functions, and classes that are not listed are not trusted.
    private var messageIsFreeOfValues: Bool {
        guard kind != .unavailable, let sqlState else { return true }  // our own words, or libpq's about the connection
        switch sqlState.conditionClass {
        case "08", "0A", "23", "25", "26", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX":
            return true
        default: return false
        }
    }
}
