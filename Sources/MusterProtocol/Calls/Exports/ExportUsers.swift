/// Exports some users with all their data.
public struct ExportUsers: ReadingCall {
    public static let method = "users.export.ids"
    public static let summary = "Shows up to 50 users in the form of Braze's exports."
    public static let notes = """
        - `users`: each as in `users.get`, up to 50; an `email` or `phone` without `prioritization` selects all users who have it, up to 50. In the reply: the users that were found, each once, as objects with Braze's names: `external_id`, `user_aliases`, `braze_id`, \
        `random_bucket` (0 to 9999, never changes), `created_at`, `devices`, the profile's attributes by their names (`first_name`, `last_name`, `email`, `dob`, \
        `country`, `home_city`, `language`, `gender`, `phone`, `time_zone`, `email_subscribe`, `push_subscribe`) and all others in `custom_attributes`; `custom_events` and `purchases` with `name`, `first`, `last` and `count`, and `total_revenue`. Empty fields are omitted.
        - `fields_to_export`: only these fields; absent or empty: all. Unknown names are ignored.
        - `unknown`: the references that match no user. They are not an error.
        - Exports don't contain cohorts; use `segments.of` and `cohorts.members`.
        """
    public static let example = (
        call: Self(users: [.externalID("u-1"), .externalID("u-404")]),
        reply: Reply(
            users: [
                ExportedUser(fields: [
                    "external_id": "u-1", "random_bucket": 4711, "created_at": "2026-11-23T12:00:00Z", "country": "FR",
                ])
            ],
            unknown: [.externalID("u-404")])
    )
    public var users: [UserReference]
    public var fieldsToExport: [Identifier]?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case users
        case fieldsToExport = "fields_to_export"
    }

    public init(users: [UserReference], fieldsToExport: [Identifier]? = nil) {
        self.users = users
        self.fieldsToExport = fieldsToExport
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var users: [ExportedUser]
        public var unknown: [UserReference]

        public init(users: [ExportedUser], unknown: [UserReference]) {
            self.users = users
            self.unknown = unknown
        }
    }
}
