/// An external id that some clients send as a number: its digits, also beyond ±2^53 when the reader accepts such
/// integers.
public struct LooseID: Sendable {
    /// The identifier.
    public let id: Identifier

    init(_ value: JSONValue) throws(JSONError) {
        if let digits = value.digits { id = Identifier(digits) } else { id = try Identifier(value) }
    }
}

extension LooseID: Decodable {
    /// Only `JSONDecoding` can read one, and it bypasses this initializer.
    public init(from decoder: any Decoder) throws {
        throw JSONError(at: decoder, "can only be read by JSONDecoding", .wrongType)
    }
}
