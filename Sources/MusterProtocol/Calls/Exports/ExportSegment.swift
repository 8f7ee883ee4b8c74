/// Exports the members of a segment in the background.
public struct ExportSegment: RecordedCall {
    public static let method = "users.export.segment"
    public static let summary = "Starts an export of a segment's members into a zip archive."
    public static let notes = """
        - `segment_id`: which segment. An unknown one is `NOT_FOUND`.
        - `fields_to_export`: as in `users.export.ids`. `custom_attributes_to_export`: only these custom attributes, up to 500; absent or empty: all.
        - The archive has files of about 5,000 users, each user as a line of JSON in the form of `users.export.ids`. Its users are the members at one time after the call; each user's data is as of the time when it was written. Users erased before the archive is done are not in it, and an archive with a user who was erased since is not served.
        - `object_prefix`: the export's name, with which its files begin. `path`: where the REST endpoint of any server serves the archive, without a key, so the path is a secret. `url`: the complete URL, if the operator has set `public_rest_url`. It returns 202 until the archive is done, and 410 some hours later (`exports.keep_hours`, 4 by default), and when the export failed, was cancelled, or has a user who was erased since; 404 when no export of the last 7 days has this path. `users.export.get` returns the same by `object_prefix`.
        - If the segment is being exported already, or 100 exports of the workspace are not done, the call is `RESOURCE_EXHAUSTED`. `users.export.cancel` cancels one. If a server ends, another one starts its export over.
        - `request_id`: see [repeating](../repeating.md). A repeat returns the same `path`, even if its archive has expired.
        """
    public static let example = (
        call: Self(segmentID: "fr-win-back", fieldsToExport: ["external_id", "country"], requestID: "export-12"),
        reply: Reply(
            objectPrefix: "5b1f4c2e-8f3e-4a53-9d2c-0a6f5f1f7c11-1763900000",
            path: "/exports/1-fW8mA0v3yJ6dQ1tK9zR2xLs7uNc5hGb4eTpYoZi0kQaVX1b2C.zip",
            url: "https://rest.muster.example/exports/1-fW8mA0v3yJ6dQ1tK9zR2xLs7uNc5hGb4eTpYoZi0kQaVX1b2C.zip")
    )
    public var segmentID: Identifier
    public var fieldsToExport: [Identifier]?
    public var customAttributesToExport: [Identifier]?
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case fieldsToExport = "fields_to_export"
        case customAttributesToExport = "custom_attributes_to_export"
        case requestID = "request_id"
    }

    public init(
        segmentID: Identifier, fieldsToExport: [Identifier]? = nil, customAttributesToExport: [Identifier]? = nil,
        requestID: Identifier? = nil
    ) {
        self.segmentID = segmentID
        self.fieldsToExport = fieldsToExport
        self.customAttributesToExport = customAttributesToExport
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var objectPrefix: String
        /// A secret: it gives access to the archive.
        public var path: String
        public var url: String?

        enum CodingKeys: String, CodingKey {
            case objectPrefix = "object_prefix"
            case path, url
        }

        public init(objectPrefix: String, path: String, url: String? = nil) {
            self.objectPrefix = objectPrefix
            self.path = path
            self.url = url
        }
    }
}
