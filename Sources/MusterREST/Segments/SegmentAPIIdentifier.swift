import HTTPTypes
import MusterHTTP
import MusterProtocol

/// The id of a segment in a request, with Braze's words for an invalid one.
struct SegmentAPIIdentifier: Decodable {
    static let problem = "must be a string of the Segment api identifier"
    static let refusal = HTTPProblem(.badRequest, .unknownSegment, field: "segment_id", "segment_id \(problem)")
    static let missing = HTTPProblem(.badRequest, .missing, field: "segment_id", "segment_id \(problem)")

    let identifier: Identifier

    init(from decoder: any Decoder) throws {
        guard let text = try? decoder.singleValueContainer().decode(Identifier.self) else {
            throw JSONError(at: decoder, Self.problem, .wrongType)
        }
        identifier = text
    }

    /// Runs calls about a segment: if there is no such segment, its id is wrong.
    static func mapErrors<R>(_ work: () async throws -> R) async throws -> R {
        do { return try await work() } catch let error as RPCError where error.code == .notFound { throw refusal }
    }
}
