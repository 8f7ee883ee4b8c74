import MusterProtocol

/// Reads text; returns nil, or the reader's error.
func refusal(of bytes: [UInt8], depth: Int = Limits.jsonDepth.value, values: Int = 200_000) -> JSONError? {
    do {
        try JSONReader(depth: depth, values: values).read(bytes) { _ in }
        return nil
    } catch {
        return error as? JSONError
    }
}

func refusal(of text: String) -> JSONError? { refusal(of: Array(text.utf8)) }

func decode<T: Decodable>(_ type: T.Type = T.self, _ text: String) throws -> T {
    try JSONDecoding.decode(type, from: Array(text.utf8))
}

/// The sentence with which decoding fails; nil if it succeeds.
func complaint<T: Decodable>(_ type: T.Type, _ text: String) -> String? {
    do {
        _ = try decode(type, text)
        return nil
    } catch {
        return "\(error)"
    }
}

func encode(_ value: some Encodable) throws -> String {
    String(decoding: try JSONEncoding.encode(value), as: UTF8.self)
}

/// A value in an object, because a message is always an object.
struct Box<Value: Codable>: Codable {
    var v: Value
}
extension Box: Equatable where Value: Equatable {}
extension Box: Sendable where Value: Sendable {}

/// An import in its wire format.
struct Import: Codable, Equatable {
    struct Change: Codable, Equatable {
        var userIDs: IdentifierList?
        var shouldRemove: Bool?
        enum CodingKeys: String, CodingKey {
            case userIDs = "user_ids"
            case shouldRemove = "should_remove"
        }
    }
    var partner: String
    var requestID: String?
    var changes: [Change]
    enum CodingKeys: String, CodingKey {
        case partner
        case requestID = "request_id"
        case changes = "cohort_changes"
    }
}
