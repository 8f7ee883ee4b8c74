import MusterProtocol
import MusterTestSupport

/// A partner's connector with a data import key of partner `tinyclues`, as it posts to a server.
struct Connector {
    let server: TestServer
    let key: String
    var partner = "tinyclues"

    /// With a new key.
    init(_ muster: MusterUnderTest) async throws {
        server = muster.server
        key = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "Tinyclues")).secret
    }

    /// Posts a body to `/partners/{partner}/cohorts{path}`; `fields` follow the secret.
    func post(_ path: String = "", _ fields: String, headers: [String: String] = [:]) async throws -> RESTReply {
        let body = #"{"client_secret":"\#(key)"\#(fields.isEmpty ? "" : ",")\#(fields)}"#
        return try await send(path, body, headers: headers)
    }

    /// Posts a body as it is.
    func send(_ path: String = "", _ body: String, headers: [String: String] = [:]) async throws -> RESTReply {
        try await server.rest("POST", "/partners/\(partner)/cohorts\(path)", body, headers: headers)
    }

    /// Changes a cohort's members; `changes` is the JSON of the objects.
    func change(_ cohortID: String, _ changes: String, idempotencyKey: String? = nil) async throws -> RESTReply {
        let headers = idempotencyKey.map { ["Idempotency-Key": $0] } ?? [:]
        return try await post("/users", #""cohort_id":"\#(cohortID)","cohort_changes":[\#(changes)]"#, headers: headers)
    }

    /// An import's receipt, by the id that its answer gave.
    func receipt(_ id: String, bearer: String? = nil, headers: [String: String] = [:]) async throws -> RESTReply {
        try await server.rest(
            "GET", "/partners/\(partner)/cohorts/imports/\(id)", bearer: bearer ?? key, headers: headers)
    }

    /// An import's receipt, by the `Idempotency-Key` that it was sent with.
    func receipt(named name: String?, bearer: String? = nil) async throws -> RESTReply {
        try await server.rest(
            "GET", "/partners/\(partner)/cohorts/imports", bearer: bearer ?? key,
            headers: name.map { ["Idempotency-Key": $0] } ?? [:])
    }
}

/// An answer of the partner routes.
struct PartnerAnswer: Decodable {
    struct Import: Decodable {
        struct Place: Decodable, Equatable {
            let object: Int
            let kind: String
            let position: Int
            let outcome: Outcome
        }

        let id: String?
        let cohortID: Identifier
        let version: Int64
        let size: Int
        let receipt: Receipt
        let importedAt: Instant?
        let idempotencyKey: String?
        let outcomes: [Place]?

        enum CodingKeys: String, CodingKey {
            case id
            case cohortID = "cohort_id"
            case version, size, receipt
            case importedAt = "imported_at"
            case idempotencyKey = "idempotency_key"
            case outcomes
        }
    }

    let message: String
    let errors: [String]?
    let `import`: Import?
}

extension RESTReply {
    /// What every answer says.
    var message: String? { try? decode(PartnerAnswer.self).message }
    /// The import that it tells of.
    var imported: PartnerAnswer.Import? { try? decode(PartnerAnswer.self).import }
}
