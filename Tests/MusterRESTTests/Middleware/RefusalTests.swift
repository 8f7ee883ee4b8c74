import HTTPTypes
import MusterProtocol
import Testing

@testable import MusterHTTP
@testable import MusterREST

/// What each failure of a call is called over HTTP, row by row.
@Suite struct RefusalTests {
    private static let rows: [(RPCCode, common: Int, partners: Int)] = [
        (.invalidArgument, 400, 400), (.outOfRange, 400, 400), (.alreadyExists, 400, 400),
        (.unauthenticated, 401, 401), (.permissionDenied, 403, 401),
        (.notFound, 404, 404), (.unimplemented, 404, 404), (.failedPrecondition, 422, 422),
        (.aborted, 503, 423), (.resourceExhausted, 503, 503), (.unavailable, 503, 503), (.unknown, 503, 503),
        (.cancelled, 503, 503), (.deadlineExceeded, 504, 504), (.internal, 500, 500), (.dataLoss, 500, 500),
    ]

    @Test func everyCodeHasItsStatus() {
        #expect(Set(Self.rows.map(\.0)) == Set(RPCCode.allCases))
        for (code, common, partners) in Self.rows {
            #expect(HTTPProblem(RPCError(code, "m")).status.code == common, "\(code)")
            #expect(BrazePartnerErrors.problem(for: RPCError(code, "m")).status.code == partners, "\(code)")
        }
    }

    /// Connectors repeat 423, 429 and 5xx, and take any other status for final.
    @Test func aTransientErrorIsNeverAPermanentStatus() {
        let passing: [RPCCode] = [
            .aborted, .resourceExhausted, .unavailable, .unknown, .cancelled, .deadlineExceeded, .internal,
        ]
        for code in passing {
            for refusal in [HTTPProblem(RPCError(code, "m")), BrazePartnerErrors.problem(for: RPCError(code, "m"))] {
                #expect([423, 429].contains(refusal.status.code) || refusal.status.code >= 500, "\(code)")
            }
        }
    }

    @Test func aTransientErrorSaysWhenToRetry() {
        for (milliseconds, seconds) in [(nil, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] as [(Int64?, String)] {
            var error = RPCError(.unavailable, "m")
            if let milliseconds { error.details.set("retry_after_ms", .integer(milliseconds)) }
            #expect(HTTPProblem(error).answer.headers[.retryAfter] == seconds)
        }
        #expect(HTTPProblem(RPCError(.notFound, "m")).answer.headers[.retryAfter] == nil)
    }

    @Test func anAbortedRequestNamesTheLimit() {
        let body = String(decoding: HTTPProblem(RPCError(.deadlineExceeded, "m")).answer.body, as: UTF8.self)
        #expect(body.contains("m; a request has 1800 milliseconds (rest_time_ms)"), "\(body)")
        #expect(body.contains(#""limit":"rest_time_ms","limit_value":1800"#), "\(body)")
    }

    @Test func anUnknownOutcomeIsReportedAsUnknown() {
        let answer = HTTPProblem(RPCError(.unknown, "m", details: ["outcome": "unknown"])).answer
        #expect(String(decoding: answer.body, as: UTF8.self) == #"{"message":"m","outcome":"unknown"}"#)
    }
}
