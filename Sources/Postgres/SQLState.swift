/// PostgreSQL's five-character code of a condition. Usable in a catch: `catch SQLState.uniqueViolation`.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The code, such as `23505`.
    public let rawValue: String

    /// Makes any code; codes that programs test have names below.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The code.
    public var description: String { rawValue }

    /// The first two characters: the class of the condition.
    public var conditionClass: Substring { rawValue.prefix(2) }

    private init(_ code: String) { rawValue = code }
}

extension SQLState {
    /// 08P01; also the answer of poolers to everything
    public static let protocolViolation = SQLState("08P01")
    /// 0A000; also "cached plan must not change result type".
    public static let featureNotSupported = SQLState("0A000")
    /// 22023
    public static let invalidParameterValue = SQLState("22023")
    /// 23505
    public static let uniqueViolation = SQLState("23505")
    /// 23514
    public static let checkViolation = SQLState("23514")
    /// 25006: a standby, or a transaction that said READ ONLY.
    public static let readOnlyTransaction = SQLState("25006")
    /// 25P01
    public static let noActiveTransaction = SQLState("25P01")
    /// 26000: the prepared statement does not exist.
    public static let invalidStatementName = SQLState("26000")
    /// 40001
    public static let serializationFailure = SQLState("40001")
    /// 40P01
    public static let deadlockDetected = SQLState("40P01")
    /// 42501
    public static let insufficientPrivilege = SQLState("42501")
    /// 42P01
    public static let undefinedTable = SQLState("42P01")
    /// 42P07
    public static let duplicateTable = SQLState("42P07")
    /// 42704
    public static let undefinedObject = SQLState("42704")
    /// 42710
    public static let duplicateObject = SQLState("42710")
    /// 53300
    public static let tooManyConnections = SQLState("53300")
    /// 55006
    public static let objectInUse = SQLState("55006")
    /// 55P02: a setting that can't be changed now.
    public static let cannotChangeRuntimeParameter = SQLState("55P02")
    /// 55P03: `lock_timeout`, or NOWAIT.
    public static let lockNotAvailable = SQLState("55P03")
    /// 57014: a cancel, or `statement_timeout`.
    public static let queryCanceled = SQLState("57014")
    /// 57P03: the server is starting or stopping.
    public static let cannotConnectNow = SQLState("57P03")
    /// XX000
    public static let internalError = SQLState("XX000")
    /// XX001
    public static let dataCorrupted = SQLState("XX001")
    /// XX002
    public static let indexCorrupted = SQLState("XX002")
}

/// Lets a catch name the condition: `catch SQLState.uniqueViolation { … }`.
public func ~= (state: SQLState, error: any Error) -> Bool {
    (error as? PostgresError)?.sqlState == state
}
