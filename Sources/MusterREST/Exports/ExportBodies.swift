import HTTPTypes
import MusterHTTP
import MusterProtocol

/// The body of `/users/export/ids`.
struct ExportIDsBody: Decodable {
    let externalIDs: [LooseID]?
    let userAliases: [Alias]?
    let deviceID: LooseID?
    let brazeID: Identifier?
    let email: Identifier?
    let phone: Identifier?
    let fieldsToExport: [Identifier]?

    enum CodingKeys: String, CodingKey {
        case externalIDs = "external_ids"
        case userAliases = "user_aliases"
        case deviceID = "device_id"
        case brazeID = "braze_id"
        case email = "email_address"
        case phone
        case fieldsToExport = "fields_to_export"
    }

    /// All users that the request names. Throws an `HTTPProblem` if it names none.
    var users: [UserReference] {
        get throws {
            let many: [UserReference]? = externalIDs?.map { .externalID($0.id) }
            let aliases: [UserReference]? = userAliases?.map { .alias($0) }
            var one: [UserReference] = []
            if let deviceID { one.append(.deviceID(deviceID.id)) }
            if let brazeID { one.append(.brazeID(brazeID)) }
            if let email { one.append(.email(Contact(email))) }
            if let phone { one.append(.phone(Contact(phone))) }
            guard many != nil || aliases != nil || !one.isEmpty else {
                throw HTTPProblem(
                    .badRequest, .missing,
                    "external_ids, user_aliases, device_id, braze_id, email_address or phone is required")
            }
            return (many ?? []) + (aliases ?? []) + one
        }
    }
}

/// The answer of `/users/export/ids`.
struct ExportedUsers: Encodable {
    let users: [ExportedUser]
    let message = "success"
    let invalidUserIDs: [Identifier]

    init(_ reply: ExportUsers.Reply) {
        users = reply.users
        invalidUserIDs = reply.unknown.map(\.bareName)
    }

    enum CodingKeys: String, CodingKey {
        case users, message
        case invalidUserIDs = "invalid_user_ids"
    }
}

extension UserReference {
    /// The single string that Braze lists for a user that it didn't find.
    fileprivate var bareName: Identifier {
        switch self {
        case .externalID(let id), .deviceID(let id), .brazeID(let id): id
        case .email(let contact), .phone(let contact): contact.value
        case .alias(let alias): alias.name
        }
    }
}

/// The body of `/users/export/segment`.
struct ExportSegmentBody: Decodable {
    let segmentID: SegmentAPIIdentifier
    let callbackEndpoint: String?
    let fieldsToExport: [Identifier]?
    let customAttributesToExport: [Identifier]?
    let outputFormat: String?

    enum CodingKeys: String, CodingKey {
        case segmentID = "segment_id"
        case callbackEndpoint = "callback_endpoint"
        case fieldsToExport = "fields_to_export"
        case customAttributesToExport = "custom_attributes_to_export"
        case outputFormat = "output_format"
    }

    /// The call of this request. Throws an `HTTPProblem` for what Muster doesn't support.
    var call: ExportSegment {
        get throws {
            guard callbackEndpoint?.isEmpty ?? true else {
                throw HTTPProblem(
                    .badRequest, .unknownField, field: "callback_endpoint",
                    "callback_endpoint is not supported: ask for the url of the answer until it is there")
            }
            guard outputFormat ?? "zip" == "zip" else {
                throw HTTPProblem(.badRequest, .unknownValue, field: "output_format", "output_format must be zip")
            }
            return ExportSegment(
                segmentID: segmentID.identifier, fieldsToExport: fieldsToExport,
                customAttributesToExport: customAttributesToExport)
        }
    }
}

/// The body of `/export/segment/cancel`.
struct CancelExportBody: Decodable {
    let segmentID: SegmentAPIIdentifier

    enum CodingKeys: String, CodingKey { case segmentID = "segment_id" }
}

/// The answer of `/users/export/segment`.
struct BegunExport: Encodable {
    let message = "success"
    let objectPrefix: String
    let url: String

    enum CodingKeys: String, CodingKey {
        case message
        case objectPrefix = "object_prefix"
        case url
    }
}

/// The answer to a fetch of an archive that is not ready yet.
struct UnfinishedExport: Encodable {
    let message = "the export is not done yet; try again later"
    let state: ExportState
}
