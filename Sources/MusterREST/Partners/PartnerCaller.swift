import HTTPTypes
import HummingbirdCore
import MusterHandlers
import MusterProtocol

/// What a partner proves itself by. Neither is ever echoed.
struct PartnerCredentials {
    let clientSecret: String
    /// Nil where there is none, or something that is no string.
    let partnerAPIKey: String?

    /// Out of a body, before all else of it. Throws a `Refusal` with status 401 where there is no string `client_secret`.
    init(_ body: JSONValue) throws {
        func string(_ value: JSONValue?) -> String? { try? value?.string() }
        guard let secret = string(body.field("client_secret")) else { throw PartnerWords.clientSecret }
        clientSecret = secret
        partnerAPIKey = string(body.field("partner_api_key"))
    }

    /// Out of `Authorization: Bearer` and `X-Partner-API-Key`: a GET has no body. Throws a `Refusal` with status 401 where there is none.
    init(_ request: Request) throws {
        guard let secret = request.bearer else { throw PartnerWords.unauthorized }
        clientSecret = secret
        partnerAPIKey = request.headers[.partnerAPIKey]
    }
}

/// A partner who proved to be one, and what it may have done.
struct PartnerCaller {
    let partner: String
    let session: Session
    private let secret: String
    private let desk: AccessDesk
    private let deadline = TimeBudget.current.deadline

    /// Judges the credentials for the partner that the path names. Throws a `Refusal` with status 401 where they are not good for it.
    init(
        _ credentials: PartnerCredentials, as partner: String, _ desk: AccessDesk, _ gate: PartnerGate
    ) async throws {
        (self.partner, self.desk, secret) = (partner, desk, credentials.clientSecret)
        do {
            session = try await desk.session(for: secret, deadline: deadline)
            let judgement = try await gate.judge(
                session, as: partner, partnerAPIKey: credentials.partnerAPIKey, deadline: deadline)
            switch judgement {
            case .admitted: break
            case .notThePartners: throw PartnerWords.clientSecret
            case .wrongPartnerAPIKey: throw PartnerWords.partnerAPIKey
            case .disabled: throw PartnerWords.notEnabled
            }
        } catch let error as RPCError {
            throw PartnerWords.refusal(error)
        }
    }

    /// Sends a call. Throws a `Refusal` in the contract's words.
    func send<C: Call>(_ call: C) async throws -> C.Reply {
        do { return try await desk.answer(call, as: session, secret: secret, deadline: deadline) } catch {
            throw PartnerWords.refusal(error)
        }
    }
}
