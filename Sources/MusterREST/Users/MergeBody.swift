import HTTPTypes
import MusterHTTP
import MusterProtocol

/// The body of `/users/merge`. Its errors have texts of Braze's own, which clients show to people.
struct MergeBody {
    let calls: [MergeUsers]

    /// Throws an `HTTPProblem` with status 400.
    init(_ body: JSONValue) throws {
        calls = try Self.updates(in: body).enumerated().map { index, update in
            try Self.call(update, "merge_updates[\(index)]")
        }
    }

    private static func updates(in body: JSONValue) throws -> JSONElements {
        let updates = body.field("merge_updates")
        guard let updates, updates.kind == .array, let elements = try? updates.elements(),
            elements.allSatisfy({ $0.kind == .object })
        else {
            throw HTTPProblem(
                .badRequest, updates == nil ? .missing : .wrongType, field: "merge_updates",
                "'merge_updates' must be an array of objects")
        }
        guard elements.count > 0 else {
            throw HTTPProblem(.badRequest, .empty, field: "merge_updates", "'merge_updates' must not be empty")
        }
        guard elements.count <= Limits.registryEntries.value else {
            throw HTTPProblem(
                .badRequest, .tooMany, field: "merge_updates", limit: Limits.registryEntries,
                "a single request may not contain more than \(Limits.registryEntries.value) merge updates "
                    + "(\(Limits.registryEntries.name))")
        }
        return elements
    }

    private static func call(_ update: JSONValue, _ path: String) throws -> MergeUsers {
        let names = try update.fields().map { $0.name.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        let needed = ["identifier_to_merge", "identifier_to_keep"]
        let unknown = names.first { !needed.contains($0) }
        if let wrong = unknown ?? needed.first(where: { !names.contains($0) }) {
            throw HTTPProblem(
                .badRequest, unknown == nil ? .missing : .unknownField, field: "\(path).\(wrong)",
                "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'")
        }
        return MergeUsers(
            merge: try user(update.field("identifier_to_merge"), "\(path).identifier_to_merge"),
            keep: try user(update.field("identifier_to_keep"), "\(path).identifier_to_keep"))
    }

    private static func user(_ identifier: JSONValue?, _ path: String) throws -> UserReference {
        let refusal = HTTPProblem(
            .badRequest, .wrongType, field: path,
            "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property that is an object, 'email' property that is a string, or 'phone' property that is a string"
        )
        guard let identifier, identifier.kind == .object else { throw refusal }
        do {
            return try JSONDecoding.decode(Wire.self, from: identifier).reference(or: refusal)
        } catch var error as JSONError {
            // Braze's sentence is about kinds; invalid characters are reported as on the other routes.
            guard error.reason == .invalidCharacters else { throw refusal }
            (error.path, error.description) = ("\(path).\(error.path)", "\(path).\(error.description)")
            throw error
        }
    }

    private struct Wire: Decodable {
        let externalID: LooseID?
        let alias: Alias?
        let brazeID: Identifier?
        let email: Identifier?
        let phone: Identifier?
        let prioritization: [Prioritization]?

        enum CodingKeys: String, CodingKey {
            case externalID = "external_id"
            case alias = "user_alias"
            case brazeID = "braze_id"
            case email, phone, prioritization
        }

        func reference(or refusal: HTTPProblem) throws -> UserReference {
            if let externalID { return .externalID(externalID.id) }
            if let alias { return .alias(alias) }
            if let brazeID { return .brazeID(brazeID) }
            if let email { return .email(Contact(email, prioritization)) }
            if let phone { return .phone(Contact(phone, prioritization)) }
            throw refusal
        }
    }
}
