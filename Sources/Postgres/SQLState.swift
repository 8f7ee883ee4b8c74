/// The five characters by which PostgreSQL names a condition. Usable in a catch: `catch SQLState.uniqueViolation`.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The code, such as `23505`.
    public let rawValue: String

    /// Any code; those that programs ask for have names below.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The code itself.
    public var description: String { rawValue }

    /// The first two characters: the family of the condition.
    public var conditionClass: Substring { rawValue.prefix(2) }

    private init(_ code: String) { rawValue = code }
}

extension SQLState {
    /// 0A000; also "cached plan must not change result type".
    public static let featureNotSupported = SQLState("0A000")
    /// 22003
    public static let numericValueOutOfRange = SQLState("22003")
    /// 22021
    public static let characterNotInRepertoire = SQLState("22021")
    /// 22023
    public static let invalidParameterValue = SQLState("22023")
    /// 22P02
    public static let invalidTextRepresentation = SQLState("22P02")
    /// 23502
    public static let notNullViolation = SQLState("23502")
    /// 23503
    public static let foreignKeyViolation = SQLState("23503")
    /// 23505
    public static let uniqueViolation = SQLState("23505")
    /// 23514
    public static let checkViolation = SQLState("23514")
    /// 23P01
    public static let exclusionViolation = SQLState("23P01")
    /// 25001
    public static let activeTransaction = SQLState("25001")
    /// 25006: a standby, or a transaction that said READ ONLY.
    public static let readOnlyTransaction = SQLState("25006")
    /// 25P01
    public static let noActiveTransaction = SQLState("25P01")
    /// 25P02: an earlier statement of the transaction failed.
    public static let failedTransaction = SQLState("25P02")
    /// 26000: the prepared statement does not exist.
    public static let invalidStatementName = SQLState("26000")
    /// 40001
    public static let serializationFailure = SQLState("40001")
    /// 40P01
    public static let deadlockDetected = SQLState("40P01")
    /// 42501
    public static let insufficientPrivilege = SQLState("42501")
    /// 42601
    public static let syntaxError = SQLState("42601")
    /// 42703
    public static let undefinedColumn = SQLState("42703")
    /// 42704
    public static let undefinedObject = SQLState("42704")
    /// 42883
    public static let undefinedFunction = SQLState("42883")
    /// 42P01
    public static let undefinedTable = SQLState("42P01")
    /// 42P04
    public static let duplicateDatabase = SQLState("42P04")
    /// 42P06
    public static let duplicateSchema = SQLState("42P06")
    /// 42P07
    public static let duplicateTable = SQLState("42P07")
    /// 42710
    public static let duplicateObject = SQLState("42710")
    /// 3F000
    public static let invalidSchemaName = SQLState("3F000")
    /// 53100
    public static let diskFull = SQLState("53100")
    /// 53200
    public static let outOfMemory = SQLState("53200")
    /// 53300
    public static let tooManyConnections = SQLState("53300")
    /// 54000
    public static let programLimitExceeded = SQLState("54000")
    /// 55000
    public static let prerequisiteMissing = SQLState("55000")
    /// 55006
    public static let objectInUse = SQLState("55006")
    /// 55P03: `lock_timeout`, or NOWAIT.
    public static let lockNotAvailable = SQLState("55P03")
    /// 57014: a cancel, or `statement_timeout`.
    public static let queryCanceled = SQLState("57014")
    /// 57P01: the server is stopping, or somebody ended this backend.
    public static let adminShutdown = SQLState("57P01")
    /// 57P02
    public static let crashShutdown = SQLState("57P02")
    /// 57P03: the server is starting or stopping.
    public static let cannotConnectNow = SQLState("57P03")
    /// P0001: RAISE EXCEPTION in a function of the schema.
    public static let raisedException = SQLState("P0001")
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
