import HTTPTypes
import HummingbirdCore
import MusterHTTP
import MusterProtocol

extension Request {
    /// The idempotency key of this request; nil without one. Throws an `HTTPProblem` with status 400 if it is invalid.
    func idempotencyKey() throws -> Identifier? {
        let values = headers[values: .idempotencyKey]
        guard let value = values.first else { return nil }
        // A proxy may have decoded other bytes differently, and two names must never become one.
        guard values.count == 1, (1...Limits.requestIDBytes.value).contains(value.utf8.count),
            value.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            let isLong = values.count == 1 && value.utf8.count > Limits.requestIDBytes.value
            throw HTTPProblem(
                .badRequest, isLong ? .tooLong : .invalidFormat, field: "Idempotency-Key",
                limit: isLong ? Limits.requestIDBytes : nil,
                "`Idempotency-Key` must be one header of 1 to 255 ASCII characters",
                errors: isLong ? ["Idempotency-Key \(FieldProblem(over: Limits.requestIDBytes).text)"] : [])
        }
        return Identifier(value)
    }
}
