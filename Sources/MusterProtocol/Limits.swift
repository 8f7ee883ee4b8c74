/// A bound that the server keeps, with its unit and what it protects. `server.info` reports them all.
public struct Limit: Sendable, Equatable {
    public let name: String
    public let value: Int
    public let unit: String
    public let reason: String

    init(_ name: String, _ value: Int, _ unit: String, _ reason: String) {
        (self.name, self.value, self.unit, self.reason) = (name, value, unit, reason)
    }

    /// The form for sentences: `65536 bytes (attributes_bytes)`.
    public var described: String { "\(value) \(unit) (\(name))" }

    /// The same limit with an operator's value.
    public func set(to value: Int) -> Self { Self(name, value, unit, reason) }

    /// The same limit, given in seconds, with an operator's value.
    public func set(to duration: Duration) -> Self { set(to: Int(duration / .seconds(1))) }

    /// The duration of a limit in seconds.
    public var duration: Duration { .seconds(value) }
}

/// All limits of Muster, each defined once.
public enum Limits {
    public static let frame = Limit(
        "frame_bytes", 4 << 20, "bytes", "One frame in either direction; bounds the memory of one request.")
    public static let frameBeforeOpen = Limit(
        "frame_bytes_before_open", 16 << 10, "bytes",
        "One frame before session.open; bounds the memory of an unauthenticated connection.")
    public static let restBody = Limit(
        "rest_body_bytes", 4_000_000, "bytes",
        "The body of one REST request, both as sent and unpacked; above it the answer is 413, as at Braze.")
    public static let restUnauthenticatedBodies = Limit(
        "rest_unauthenticated_bytes", 64 << 20, "bytes",
        "The bodies of all REST requests whose callers are not authenticated yet; above it the answer is 503.")
    public static let restBodies = Limit(
        "rest_bodies_bytes", 256 << 20, "bytes", "The bodies of all other REST requests; above it the answer is 503.")
    public static let restHeader = Limit(
        "rest_header_bytes", 32 << 10, "bytes", "The header fields of one REST request; above it the answer is 431.")
    public static let restHeaderField = Limit(
        "rest_header_field_bytes", 8 << 10, "bytes",
        "One header field of a REST request, or its target; above it the answer is 431.")
    public static let restHeaderFields = Limit(
        "rest_header_fields", 64, "fields", "The header fields of one REST request; above it the answer is 431.")
    public static let restHeadSeconds = Limit(
        "rest_head_seconds", 10, "seconds",
        "From connecting, or from the first byte of a later request, to the end of a REST request's header; then the connection is closed."
    )
    public static let restBodySeconds = Limit(
        "rest_body_seconds", 30, "seconds",
        "From a REST request's header to the end of its body; then the answer is 503.")
    public static let restBodyRate = Limit(
        "rest_body_rate", 1_024, "bytes a second",
        "The minimum rate of a REST request's body after rest_body_patience_seconds; below it the answer is 503.")
    public static let restBodyPatienceSeconds = Limit(
        "rest_body_patience_seconds", 5, "seconds",
        "How long the body of a REST request may arrive more slowly than rest_body_rate.")
    public static let restIdleSeconds = Limit(
        "rest_idle_seconds", 60, "seconds",
        "Between an answer by REST and the next request; then the connection is closed.")
    public static let restHalfClosedSeconds = Limit(
        "rest_half_closed_seconds", 1, "seconds",
        "How long a REST request in flight may continue after its client closed its half of the connection.")
    public static let restRequestsPerHour = Limit(
        "rest_requests_per_hour", 250_000, "requests",
        "Per data import key, clock hour and server; then the answer is 429. 0 disables the limit.")
    public static let restServiceRequestsPerHour = Limit(
        "rest_service_requests_per_hour", 3_600_000, "requests",
        "Per service key, clock hour and server, by REST; then the answer is 429. 0 disables the limit.")
    public static let restImportIdentifiers = Limit(
        "rest_import_identifiers", 1_000, "identifiers",
        "In one import by REST, over all kinds and objects; Braze's limit.")
    public static let restTrackObjects = Limit(
        "rest_track_objects", 75, "objects", "In each array of one /users/track; Braze's limit.")
    public static let restBulkBody = Limit(
        "rest_bulk_body_bytes", 2_000_000, "bytes", "The unpacked body of one /users/track/bulk; Braze's limit.")
    public static let restBulkObjectsPerUser = Limit(
        "rest_bulk_objects_per_user", 100, "objects", "For one user in one /users/track/bulk; Braze's limit.")
    public static let jsonValues = Limit(
        "json_values", 200_000, "values",
        "JSON values in one request; bounds its table to 6 MB. An import of 50,000 identifiers uses a quarter.")
    public static let jsonDepth = Limit(
        "json_depth", 96, "levels", "Nesting of one request; a filter takes two levels per level of its own.")
    public static let requestsInFlight = Limit(
        "requests_in_flight_per_connection", 128, "requests",
        "Then the connection is not read until one of them is answered.")
    public static let surplusFrames = Limit(
        "surplus_frames", 200, "frames",
        "Pings, pongs, messages that are no request, and cancels beyond one per request, in 30 s on one connection; then goaway."
    )
    public static let unreadAnswers = Limit(
        "unread_answers_bytes", 128 << 20, "bytes",
        "Answers over all RPC connections that are unread or being made; above it, a connection with unread answers is closed."
    )
    public static let unreadAnswersPerConnection = Limit(
        "unread_answers_bytes_per_connection", 8 << 20, "bytes",
        "The same for one RPC connection; its next call with a large answer waits.")
    public static let answersInMaking = Limit(
        "answers_in_making_bytes", 32 << 20, "bytes",
        "Large answers that are being made, over all connections of a listener; above it the next call waits.")
    public static let restUnreadAnswers = Limit(
        "rest_unread_answers_bytes", 64 << 20, "bytes",
        "Unread answers over REST, archives in chunks of 1 MiB; above it the connection with the most is closed.")
    public static let requestsInFlightPerKey = Limit(
        "requests_in_flight_per_key", 256, "requests", "Over all connections of a key to one server.")
    public static let connections = Limit(
        "connections", 1_024, "connections",
        "Open connections per listener of a server; bounds file descriptors and memory.")
    public static let unauthenticatedConnections = Limit(
        "unauthenticated_connections", 256, "connections",
        "Of these, the connections that are not authenticated; a new one closes the oldest.")
    public static let connectionsPerAddress = Limit(
        "connections_per_address", 0, "connections",
        "Open connections from one address, or one IPv6 network of 64 bits, per listener of a server; 0 disables the limit."
    )
    public static let openSeconds = Limit(
        "session_open_seconds", 10, "seconds", "From connecting to session.open; then the connection is closed.")
    public static let idleSeconds = Limit(
        "idle_seconds", 300, "seconds",
        "A connection with nothing in flight that sends nothing for this long is closed.")
    public static let frameSeconds = Limit(
        "frame_seconds", 30, "seconds",
        "From the first byte of a frame to its last; then the connection is closed. Bounds the memory that slow senders hold."
    )
    public static let silenceSeconds = Limit(
        "silence_seconds", 60, "seconds", "Without a byte on an RPC connection for this long, the server pings.")
    public static let pongSeconds = Limit(
        "pong_seconds", 20, "seconds", "From the server's ping to the pong; then the connection is closed.")
    public static let unreadSeconds = Limit(
        "unread_seconds", 30, "seconds",
        "How long a client may leave answers unread, by REST 64 KiB of one; then the connection is closed.")
    public static let unreadBytes = Limit(
        "unread_bytes", 64 << 20, "bytes",
        "Answers that wait for one RPC client to read them; above it the connection is closed.")
    public static let defaultDeadline = Limit(
        "default_deadline_ms", 10_000, "milliseconds", "The deadline of a request that names none.")
    public static let maxDeadline = Limit(
        "max_deadline_ms", 60_000, "milliseconds", "A later deadline is reduced to this one.")
    public static let lockWait = Limit(
        "lock_wait_ms", 2_000, "milliseconds", "How long a request waits for another request's lock; then ABORTED.")
    public static let restLockWait = Limit(
        "rest_lock_wait_ms", 1_000, "milliseconds", "The same for a request by REST, whose clients give up after 2 s.")
    public static let restTime = Limit(
        "rest_time_ms", 1_800, "milliseconds",
        "From a REST request's header to its answer, without the time that its body takes to arrive; clients give up after 2 s."
    )
    public static let drainSeconds = Limit(
        "drain_seconds", 8, "seconds", "From goaway at a shutdown until requests in flight are aborted.")

    public static let importIdentifiers = Limit(
        "import_identifiers", 50_000, "identifiers",
        "In one cohorts.import: about 1 MB, and a second of work for PostgreSQL."
    )
    public static let importChanges = Limit(
        "import_changes", 10_000, "objects", "In the cohort_changes of one import.")
    public static let upsertUsers = Limit(
        "upsert_users", 5_000, "users", "In one users.upsert, which is one transaction.")
    public static let deleteUsers = Limit(
        "delete_users", 1_000, "users", "In one users.delete; it blocks the imports of the workspace while it runs.")
    public static let trackObjects = Limit(
        "track_objects", 1_000, "objects", "In one users.track, over attributes, events and purchases.")
    public static let registryEntries = Limit(
        "registry_entries", 50, "entries",
        "In one call about aliases or external ids, and in one REST request that identifies, merges or erases; Braze's limit."
    )
    public static let exportUsers = Limit("export_users", 50, "users", "In one users.export.ids; Braze's limit.")
    public static let exportFields = Limit(
        "export_fields", 500, "names", "In fields_to_export, and in custom_attributes_to_export.")
    public static let exportsUnfinished = Limit(
        "exports_unfinished", 100, "exports", "Waiting or running in one workspace; Braze's limit.")
    public static let exportStateDays = Limit(
        "export_state_days", 7, "days", "How long after an export's end users.export.get still returns it.")
    public static let dataSeriesDays = Limit("data_series_days", 100, "days", "In one segments.data_series.")
    public static let identifierBytes = Limit(
        "identifier_bytes", 1_024, "bytes", "External id, alias name or device id; an index entry must hold it.")
    public static let labelBytes = Limit("alias_label_bytes", 256, "bytes", "An alias label.")
    public static let objectIDBytes = Limit("object_id_bytes", 256, "bytes", "cohort_id, segment_id, campaign_id.")
    public static let partnerNameBytes = Limit("partner_name_bytes", 64, "bytes", "A partner's name.")
    public static let nameBytes = Limit("name_bytes", 512, "bytes", "Display names.")
    public static let requestIDBytes = Limit("request_id_bytes", 255, "bytes", "request_id.")
    public static let aliasesPerUser = Limit("aliases_per_user", 128, "aliases", "One user.")
    public static let devicesPerUser = Limit("devices_per_user", 128, "devices", "One user.")
    public static let attributesPerUser = Limit("attributes_per_user", 256, "attributes", "One user.")
    public static let arrayElements = Limit(
        "array_elements", 500, "values",
        "In an array that users.track sets (it keeps the last ones), and in one $add, $remove or $update.")
    public static let attributeNameBytes = Limit("attribute_name_bytes", 256, "bytes", "An attribute's name.")
    public static let attributesBytes = Limit(
        "attributes_bytes", 65_536, "bytes", "The attributes of one user in one request, as JSON.")
    public static let eventLead = Limit(
        "event_lead_hours", 24, "hours",
        "How far an event may be ahead of the server's clock; allows for clock skew and time zones.")
    public static let purchaseAmount = Limit(
        "purchase_amount", 1_000_000_000, "units", "Price times quantity of one purchase; keeps sums exact.")
    public static let purchaseQuantity = Limit(
        "purchase_quantity", 100, "units", "The quantity of one purchase, at least 1; Braze's limit.")
    public static let windowDays = Limit(
        "window_days", 36_500, "days",
        "within_days of a filter, at least 1; the window must begin at a time that PostgreSQL can store.")
    public static let totalSpent = Limit(
        "total_spent", 1_000_000_000_000, "units",
        "total_spent of a filter, positive or negative; beyond it, millionths of an amount are not distinguished.")
    public static let filterDepth = Limit("filter_depth", 32, "levels", "A filter, including saved filters inside it.")
    public static let filterNodes = Limit("filter_nodes", 256, "nodes", "A filter, including saved filters inside it.")
    public static let checkUsers = Limit("check_users", 1_000, "users", "In one segments.check.")
    public static let checkSegments = Limit("check_segments", 100, "segments", "In one segments.check.")
    public static let sizeRegions = Limit(
        "size_regions", 5, "filters", "In the regions of one segments.size; n filters make 2^n regions.")
    public static let sampleUsers = Limit(
        "sample_users", 10_000, "users", "In the sample of one segments.members, which has no pages.")
    public static let explainLog = Limit(
        "explain_log_bytes", 32 << 20, "bytes",
        "Changes of cohorts that one segments.explain searches, at least 1 KiB each, the newest first; beyond it, changes count as unknown."
    )
    public static let defaultPageSize = Limit(
        "default_page_size", 1_000, "entries", "The page_size of a call that names none.")
    public static let maxPageSize = Limit(
        "max_page_size", 10_000, "entries", "A larger page_size is reduced to this one.")
    public static let scopesPerKey = Limit("scopes_per_key", 64, "scopes", "One key.")
    public static let partnerKeysShown = Limit(
        "partner_keys_shown", 100, "keys", "In partners.get, the newest; keys.list shows all.")
    public static let requestIDDays = Limit(
        "request_id_days", 7, "days", "How long the answer to a request id is kept, at least.")
    public static let listingSeconds = Limit(
        "listing_seconds", 3_600, "seconds",
        "How long a stored listing of a filter over attributes or events can be paged.")
    public static let maxStaleness = Limit(
        "max_staleness_ms", 60_000, "milliseconds", "A larger max_staleness_ms is reduced to this one.")

    /// All limits in the order in which `server.info` reports them; `changed` replaces those of the same names.
    public static func all(with changed: [Limit]) -> [Limit] {
        all.map { limit in changed.first { $0.name == limit.name } ?? limit }
    }

    /// All limits with their default values.
    public static let all: [Limit] = [
        frame, frameBeforeOpen, restBody, restUnauthenticatedBodies, restBodies, restHeader, restHeaderField,
        restHeaderFields,
        restHeadSeconds, restBodySeconds, restBodyRate, restBodyPatienceSeconds, restIdleSeconds,
        restHalfClosedSeconds, restRequestsPerHour, restServiceRequestsPerHour,
        restImportIdentifiers, restTrackObjects, restBulkBody, restBulkObjectsPerUser, jsonValues, jsonDepth,
        requestsInFlight,
        surplusFrames, unreadAnswers, unreadAnswersPerConnection, answersInMaking, restUnreadAnswers,
        requestsInFlightPerKey, connections, unauthenticatedConnections,
        connectionsPerAddress, openSeconds,
        idleSeconds, frameSeconds, silenceSeconds, pongSeconds, unreadSeconds, unreadBytes, defaultDeadline,
        maxDeadline, lockWait, restLockWait, restTime,
        drainSeconds, importIdentifiers,
        importChanges,
        upsertUsers,
        deleteUsers, trackObjects, registryEntries, exportUsers, exportFields, exportsUnfinished, exportStateDays,
        dataSeriesDays,
        identifierBytes, labelBytes, objectIDBytes, partnerNameBytes, nameBytes, requestIDBytes, aliasesPerUser,
        devicesPerUser,
        attributesPerUser, arrayElements, attributeNameBytes, attributesBytes, eventLead, purchaseAmount,
        purchaseQuantity, windowDays, totalSpent, filterDepth, filterNodes, checkUsers, checkSegments,
        sizeRegions, sampleUsers, explainLog,
        defaultPageSize, maxPageSize, scopesPerKey, partnerKeysShown, requestIDDays, listingSeconds, maxStaleness,
    ]
}
