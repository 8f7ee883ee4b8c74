import MusterProtocol
import Postgres
import Testing

@testable import MusterHandlers
@testable import MusterStore

/// What each fault is called on the wire, row by row.
@Suite struct ErrorCodeTests {
    @Test(arguments: [
        ("55P03", RPCCode.aborted), ("40001", .aborted), ("40P01", .aborted), ("57014", .deadlineExceeded),
        ("08006", .unavailable), ("57P01", .unavailable), ("57P02", .unavailable), ("57P03", .unavailable),
        ("25006", .unavailable), ("53300", .unavailable), ("53100", .resourceExhausted), ("53200", .resourceExhausted),
        ("XX001", .dataLoss), ("XX002", .dataLoss), ("XX000", .internal), ("23505", .internal), ("42501", .internal),
    ])
    func everySQLSTATEHasItsCode(state: String, code: RPCCode) {
        var cause = PostgresError(.server, "a row of SECRET")
        (cause.sqlState, cause.detail) = (SQLState(rawValue: state), "Key (external_id)=(SECRET)")
        let error = RPCError(handling: cause)
        #expect(error.code == code)
        #expect((error.details.integer("retry_after_ms") != nil) == (code == .aborted))
        #expect(!"\(error)".contains("SECRET") && !"\(error)".contains(state))
    }

    @Test(arguments: [
        (PostgresError.Kind.connectionLost, RPCCode.unavailable), (.unavailable, .unavailable),
        (.closed, .unavailable), (.notCommitted, .unavailable), (.overloaded, .resourceExhausted),
        (.deadlineExceeded, .deadlineExceeded), (.cancelled, .cancelled), (.commitOutcomeUnknown, .unknown),
        (.encoding, .internal), (.decoding, .internal), (.misuse, .internal),
    ])
    func everyConnectionErrorHasItsCode(kind: PostgresError.Kind, code: RPCCode) {
        let error = RPCError(handling: PostgresError(kind, "SECRET"))
        #expect(error.code == code)
        #expect(!"\(error)".contains("SECRET"))
        #expect((error.details.string("outcome") == "unknown") == (code == .unknown))
        #expect((error.details.integer("retry_after_ms") != nil) == (kind == .overloaded))
    }

    @Test func otherErrorsHaveTheirCode() {
        #expect(RPCError(handling: VersionNotKept()).code == .outOfRange)
        #expect(RPCError(handling: ListingExpired()).code == .outOfRange)
        #expect(RPCError(handling: RequestIDReused()).code == .failedPrecondition)
        #expect(RPCError(handling: CancellationError()).code == .cancelled)
        let damaged = DamagedSet(set: SetKey(workspace: WorkspaceID(rawValue: 1), number: 0), what: "SECRET")
        #expect(RPCError(handling: damaged).code == .dataLoss)
        struct Anything: Error {}
        #expect(RPCError(handling: Anything()).code == .internal)
        #expect(RPCError(FrameError.tooLong(length: 2, limit: Limits.frame)).code == .resourceExhausted)
        #expect(RPCError(FrameError.unknownFlags(1)).code == .invalidArgument)
        // The limit that the frame exceeded, even if another one has the same value.
        let same = Limits.frame.set(to: Limits.frameBeforeOpen.value)
        for limit in [same, Limits.frameBeforeOpen] {
            let error = RPCError(FrameError.tooLong(length: 1 << 20, limit: limit))
            #expect(error.details.string("limit") == limit.name && error.message.contains("(\(limit.name))"))
        }
    }
}
