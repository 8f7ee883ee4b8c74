/// Records attributes, events and purchases in Braze's form.
public struct TrackUsers: RecordedCall {
    public static let method = "users.track"
    public static let summary =
        "Sets attributes of users and records their events and purchases: the body of Braze's /users/track."
    public static let notes = """
        - `attributes`, `events`, `purchases`: each optional, up to 1,000 objects together; applied in this order, in one transaction. Each object names its user by one of `external_id` (a number counts as its digits), `user_alias` (`alias_label`, `alias_name`), `braze_id`, `email` and `phone`; the first of these that it has counts.
        - An unknown `external_id`, `email` or `phone` creates the user, unless `_update_existing_only` is true; an unknown alias only if that is false; an unknown `braze_id` never. An object without a user counts as processed and changes nothing.
          An e-mail address or telephone number of several users selects the identified one who was updated last, else the one who was updated last.
        - All other fields of an object of `attributes` are attributes; `null` removes. `{"inc": 2}` adds to a whole number, `{"add": ["x"]}` and `{"remove": ["y"]}` change an array. Arrays contain each value once, at its last position, and the last 500 values; `_merge_objects`: true merges the fields of an object into the stored one, level by level.
          An array of objects is changed by `$add` (objects), `$remove` (objects with `$identifier_key` and `$identifier_value`, which remove all objects with that field) and `$update` (likewise, with a `$new_object` that replaces each, or is merged into it if `_merge_objects` is true); they are applied in this order, up to 500 of each.
          `email` is stored in lower case. `push_tokens`: their `device_id`s become devices of the user, except for those of other users; tokens themselves are not stored. `push_token_import`: true makes an object without a user name the user of its first `device_id`.
        - An event has a `name`, a `time` and optional `properties`, an object. A purchase has a `product_id`, a `currency` of three letters, a `price` (negative for a refund; times `quantity` within ±1,000,000,000, kept to the millionth), a `time`, and optionally a `quantity` from 1 to 100 and `properties`. `app_id` is accepted and ignored; any other field refuses the whole call. Only `request_id` prevents duplicates.
        - `attributes_processed`, `events_processed`, `purchases_processed`: the number of valid objects in each array of the call. `errors`: the invalid ones, which change nothing, each with a `type` (the problem), `input_array` and `index`. Single refused attributes are listed too; the other attributes of their object are applied, and the object counts as processed.
        - `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(
            attributes: [["external_id": "u-1", "country": "FR", "email": "ada@example.com"]],
            events: [["external_id": "u-1", "name": "signed_up", "time": "2026-11-23T14:48:19Z"]],
            purchases: [
                ["external_id": "u-1", "product_id": "book", "currency": "EUR", "time": "2026-11-23T14:50:00Z"]
            ],
            requestID: "track-1"),
        reply: Reply(
            attributesProcessed: 1, eventsProcessed: 1, purchasesProcessed: 0,
            errors: [TrackError("'price' is required", in: .purchases, at: 0)])
    )
    public var attributes: [Attributes]?
    public var events: [Attributes]?
    public var purchases: [Attributes]?
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case attributes, events, purchases
        case requestID = "request_id"
    }

    public init(
        attributes: [Attributes]? = nil, events: [Attributes]? = nil, purchases: [Attributes]? = nil,
        requestID: Identifier? = nil
    ) {
        self.attributes = attributes
        self.events = events
        self.purchases = purchases
        self.requestID = requestID
    }

    /// The objects are decoded twice: unchanged, to be validated one by one, and only for their names, to refuse
    /// unknown ones.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        attributes = try container.decodeIfPresent([Attributes].self, forKey: .attributes)
        events = try container.decodeIfPresent([Attributes].self, forKey: .events)
        purchases = try container.decodeIfPresent([Attributes].self, forKey: .purchases)
        requestID = try container.decodeIfPresent(Identifier.self, forKey: .requestID)
        _ = try container.decodeIfPresent([TrackedNames.Attributes].self, forKey: .attributes)
        _ = try container.decodeIfPresent([TrackedNames.Event].self, forKey: .events)
        _ = try container.decodeIfPresent([TrackedNames.Purchase].self, forKey: .purchases)
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var attributesProcessed: Int?
        public var eventsProcessed: Int?
        public var purchasesProcessed: Int?
        public var errors: [TrackError]

        enum CodingKeys: String, CodingKey {
            case attributesProcessed = "attributes_processed"
            case eventsProcessed = "events_processed"
            case purchasesProcessed = "purchases_processed"
            case errors
        }

        public init(
            attributesProcessed: Int?, eventsProcessed: Int?, purchasesProcessed: Int?, errors: [TrackError]
        ) {
            self.attributesProcessed = attributesProcessed
            self.eventsProcessed = eventsProcessed
            self.purchasesProcessed = purchasesProcessed
            self.errors = errors
        }
    }
}

/// The arrays of `users.track`.
public enum TrackedArray: String, Codable, Sendable, CaseIterable { case attributes, events, purchases }

/// An object of `users.track` that was not applied.
public typealias TrackError = ObjectError<TrackedArray>

/// An object of a request that was not applied, as Braze writes one.
public struct ObjectError<Arrays: Codable & Sendable & Equatable>: Codable, Sendable, Equatable {
    /// The arrays that the request may have.
    public typealias InputArray = Arrays

    /// The problem, in Braze's words.
    public var type: String
    public var inputArray: InputArray
    /// Its index in the array, from 0.
    public var index: Int

    enum CodingKeys: String, CodingKey {
        case type
        case inputArray = "input_array"
        case index
    }

    public init(_ type: String, in inputArray: InputArray, at index: Int) {
        (self.type, self.inputArray, self.index) = (type, inputArray, index)
    }
}
