import MusterProtocol

extension BadLimitTests {
    /// The limits that a body can be refused for as a whole. The others bound messages, connections, and entries of a
    /// batch, which have tests of their own, or are no bounds on what is sent.
    static let refusing = [
        Limits.importIdentifiers, Limits.importChanges, Limits.upsertUsers, Limits.deleteUsers, Limits.trackObjects,
        Limits.registryEntries, Limits.exportUsers, Limits.exportFields, Limits.dataSeriesDays,
        Limits.identifierBytes, Limits.labelBytes, Limits.objectIDBytes, Limits.nameBytes, Limits.requestIDBytes,
        Limits.attributeNameBytes, Limits.filterDepth, Limits.filterNodes, Limits.checkUsers, Limits.checkSegments,
        Limits.sizeRegions, Limits.sampleUsers,
        Limits.scopesPerKey, Limits.partnerNameBytes, Limits.windowDays, Limits.totalSpent,
    ]

    static let nobody = #"{"external_id":"nobody"}"#
    static let byCohort = [
        GetCohort.method, DeleteCohort.method, ListCohortMembers.method, ListImports.method, CreateCohort.method,
        ImportCohort.method, DiffCohort.method,
    ]
    /// What else a call with a cohort must have.
    static func rest(of method: String) -> String {
        switch method {
        case CreateCohort.method: #","name":"x""#
        case ImportCohort.method: #","cohort_changes":[]"#
        case DiffCohort.method: #","from_version":0"#
        default: ""
        }
    }

    static let ids: [Case] =
        byCohort.flatMap { method in
            let rest = rest(of: method)
            return [
                Case(method, cohort(text(257), rest), "cohort_id is over 256 bytes"),
                Case(method, cohort(#""""#, rest), "cohort_id is empty"),
                Case(method, cohort(#""a\u001fb""#, rest), "cohort_id has a control character"),
                Case(method, #"{"partner":"No","cohort_id":"c"\#(rest)}"#, "partner is no partner's name"),
                Case(method, #"{"partner":\#(text(65)),"cohort_id":"c"\#(rest)}"#, "partner is no partner's name"),
            ]
        }
        + [
            GetSegment.method, DeleteSegment.method, UpdateSegment.method, SizeSegment.method,
            ListSegmentMembers.method, ExportSegment.method, CancelExport.method,
        ].flatMap {
            [
                Case($0, #"{"segment_id":\#(text(257))}"#, "segment_id is over 256 bytes"),
                Case($0, #"{"segment_id":""}"#, "segment_id is empty"),
            ]
        }
        + [SetPartner.method, GetPartner.method, ListKeys.method, ListCohorts.method, ListImports.method].map {
            Case($0, #"{"partner":"pärtner"}"#, "partner is no partner's name")
        }
        + [
            Case(
                ImportCohort.method, cohort(#""c""#, #","request_id":\#(text(256)),"cohort_changes":[]"#),
                "request_id is over 255 bytes"),
            Case(ImportCohort.method, cohort(#""c""#, #","request_id":"","cohort_changes":[]"#), "request_id is empty"),
            Case(UpsertUsers.method, #"{"users":[],"request_id":\#(text(256))}"#, "request_id is over 255 bytes"),
            Case(
                CheckSegments.method, #"{"users":[],"segments":["a",\#(text(257))]}"#,
                "segments[1] is over 256 bytes"),
            Case(
                IdentifyUser.method, #"{"user":{"device_id":\#(text(1025))},"external_id":"u-1"}"#,
                "user.device_id is over 1024 bytes"),
            Case(
                GetUser.method, #"{"user":{"alias":{"alias_label":\#(text(257)),"alias_name":"x"}}}"#,
                "user.alias.alias_label is over 256 bytes"),
        ]

    static let names: [Case] = [
        Case(CreateCohort.method, cohort(#""c""#, #","name":\#(text(513))"#), "name is over 512 bytes"),
        Case(CreateCohort.method, cohort(#""c""#, #","name":"""#), "name is empty"),
        Case(CreateSegment.method, #"{"name":\#(text(513)),"filter":{"everyone":{}}}"#, "name is over 512 bytes"),
        Case(UpdateSegment.method, #"{"segment_id":"s","name":""}"#, "name is empty"),
        Case(
            SetPartner.method, #"{"partner":"p","display_name":\#(text(513))}"#, "display_name is over 512 bytes"),
        Case(
            SetPartner.method, #"{"partner":"p","partner_api_key":\#(text(513))}"#,
            "partner_api_key must have 16 to 512 bytes"),
        Case(
            CreateKey.method, #"{"kind":"service","scopes":["*"],"name":\#(text(513))}"#, "name is over 512 bytes"
        ),
    ]

    static let counts: [Case] = [
        Case(
            ImportCohort.method, cohort(#""c""#, #","cohort_changes":[{"user_ids":\#(list(50_001, "\"x\""))}]"#),
            "has 50001 identifiers; send at most 50000"),
        Case(
            ImportCohort.method, cohort(#""c""#, #","cohort_changes":\#(list(10_001, #"{"user_ids":["x"]}"#))"#),
            "cohort_changes has 10001 objects; send at most 10000"),
        Case(
            UpsertUsers.method, #"{"users":\#(list(5_001, #"{"external_id":"x"}"#))}"#,
            "users has 5001 entries; send at most 5000"),
        Case(
            DeleteUsers.method, #"{"users":\#(list(1_001, #"{"external_id":"u-1"}"#))}"#,
            "users has 1001 entries; send at most 1000"),
        Case(
            CheckSegments.method, #"{"users":\#(list(1_001, nobody)),"segments":[]}"#,
            "users has 1001 entries; send at most 1000"),
        Case(
            ExportUsers.method, #"{"users":\#(list(51, nobody))}"#, "users has 51 entries; send at most 50"),
        Case(
            ExportUsers.method, #"{"users":[],"fields_to_export":\#(list(501, "\"f\""))}"#,
            "fields_to_export has 501 entries; send at most 500"),
        Case(
            ExportSegment.method, #"{"segment_id":"s","custom_attributes_to_export":\#(list(501, "\"f\""))}"#,
            "custom_attributes_to_export has 501 entries; send at most 500"),
        Case(SegmentDataSeries.method, #"{"segment_id":"s","length":101}"#, "length must be a number of days"),
        Case(
            GetUser.method, #"{"user":{"alias":{"alias_label":\#(text(257)),"alias_name":"x"}}}"#,
            "user.alias.alias_label is over 256 bytes"),
        Case(
            IdentifyUser.method, #"{"user":{"device_id":"d"},"external_id":\#(text(1025))}"#,
            "external_id is over 1024 bytes"),
        Case(SegmentDataSeries.method, #"{"segment_id":"s","length":0}"#, "length must be a number of days"),
        Case(ListSegments.method, #"{"skip":-1}"#, "skip must not be negative"),
        Case(
            SegmentDataSeries.method, #"{"segment_id":"s","length":1,"ending_at":"1969-12-31"}"#,
            "ending_at must not be before 1970"),
        Case(
            CheckSegments.method, #"{"users":[],"segments":\#(list(101, "\"s\""))}"#,
            "segments has 101 entries; send at most 100"),
        Case(
            TrackUsers.method, #"{"attributes":\#(list(500, "{}")),"events":\#(list(501, "{}"))}"#,
            "the call has 1001 objects; send at most 1000"),
        Case(
            AddAliases.method, #"{"user_aliases":\#(list(51, #"{"alias_label":"a","alias_name":"b"}"#))}"#,
            "user_aliases has 51 entries; send at most 50"),
        Case(
            UpdateAliases.method,
            #"{"alias_updates":\#(list(51, #"{"alias_label":"a","old_alias_name":"b","new_alias_name":"c"}"#))}"#,
            "alias_updates has 51 entries; send at most 50"),
        Case(
            RenameExternalIDs.method,
            #"{"external_id_renames":\#(list(51, #"{"current_external_id":"u-1","new_external_id":"c"}"#))}"#,
            "external_id_renames has 51 entries; send at most 50"),
        Case(RenameExternalIDs.method, #"{"external_id_renames":[]}"#, "external_id_renames is empty"),
        Case(
            RemoveExternalIDs.method, #"{"external_ids":\#(list(51, "\"u\""))}"#,
            "external_ids has 51 entries; send at most 50"),
        Case(RemoveExternalIDs.method, #"{"external_ids":[]}"#, "external_ids is empty"),
        Case(CreateKey.method, key(65), "scopes has 65 entries; send at most 64"),
        Case(CreateKey.method, key(0), "scopes is missing"),
        Case(
            CreateKey.method, #"{"kind":"service","name":"x","scopes":["segments.*","segment.check"]}"#,
            "scopes[1] is no scope"),
    ]

    static let filters: [Case] = [
        Case(SizeSegment.method, #"{"filter":\#(deepFilter(33))}"#, "filter is deeper than 32 levels"),
        Case(SizeSegment.method, #"{"filter":\#(wideFilter(257))}"#, "filter has more than 256 nodes"),
        Case(CreateSegment.method, #"{"name":"x","filter":\#(deepFilter(33))}"#, "filter is deeper than 32 levels"),
        Case(ListSegmentMembers.method, #"{"filter":\#(wideFilter(257))}"#, "filter has more than 256 nodes"),
        Case(
            SizeSegment.method, #"{"filter":{"not":{"cohort":{"partner":"tinyclues","cohort_id":\#(text(257))}}}}"#,
            "not.cohort.cohort_id is over 256 bytes"),
        Case(
            SizeSegment.method, #"{"filter":{"any":[{"cohort":{"partner":"No","cohort_id":"x"}}]}}"#,
            "any[0].cohort.partner is no partner's name"),
        attribute(#""name":\#(text(257)),"comparison":"exists""#, "attribute.name must have 1 to 256 bytes"),
        attribute(#""name":"","comparison":"exists""#, "attribute.name must have 1 to 256 bytes"),
        attribute(#""name":"a","comparison":"exists","value":1"#, "attribute.value must be left out with exists"),
        attribute(#""name":"a","comparison":"equals""#, "attribute.value is missing"),
        attribute(
            #""name":"a","comparison":"greater_than","value":"5""#, "attribute.value must be a number with greater_than"
        ),
        attribute(
            #""name":"a","comparison":"before","value":5"#, "attribute.value must be an ISO-8601 time with before"),
        attribute(
            #""name":"a","comparison":"after","value":"soon""#, "attribute.value must be an ISO-8601 time with after"),
        attribute(
            #""name":"a","comparison":"includes_value","value":true"#,
            "attribute.value must be a string with includes_value"),
        attribute(#""name":"a","comparison":"equals","value":1e20"#, "attribute.value must be a number within ±2^53"),
        attribute(
            #""name":"a","comparison":"less_than","value":-1.5e300"#, "attribute.value must be a number within ±2^53"),
    ]

    static let eventFilters: [Case] = [
        filter(#""event":{"name":\#(text(1025))}"#, "event.name must have 1 to 1024 bytes"),
        filter(#""event":{"name":""}"#, "event.name must have 1 to 1024 bytes"),
        filter(
            #""event":{"name":"a","count":{"comparison":"equals","value":-1}}"#,
            "event.count.value must not be negative"),
        filter(#""event":{"name":"a","within_days":0}"#, "event.within_days must be 1 to 36500 (window_days)"),
        filter(#""event":{"name":"a","within_days":36501}"#, "event.within_days must be 1 to 36500 (window_days)"),
        filter(
            #""event":{"name":"a","after":"2026-01-02","before":"2026-01-02"}"#,
            "event.after must be earlier than before"),
        filter(#""not":{"purchase":{"product_id":""}}"#, "not.purchase.product_id must have 1 to 1024 bytes"),
        filter(#""purchase":{"currency":"eur"}"#, "purchase.currency must be three capital letters"),
        filter(#""purchase":{"currency":"EURO"}"#, "purchase.currency must be three capital letters"),
        filter(
            #""purchase":{"count":{"comparison":"less_than","value":-1}}"#, "purchase.count.value must not be negative"),
        filter(
            #""purchase":{"total_spent":{"comparison":"less_than","value":1.1e12}}"#,
            "purchase.total_spent.value must be a number within ±1000000000000 (total_spent)"),
        filter(#""purchase":{"within_days":-1}"#, "purchase.within_days must be 1 to 36500 (window_days)"),
    ]

    static func filter(_ filter: String, _ message: String) -> Case {
        Case(SizeSegment.method, #"{"filter":{\#(filter)}}"#, message)
    }

    static let numbers: [Case] =
        [ListCohorts.method, ListSegments.method, ListKeys.method, ListPartners.method].flatMap { method in
            ["0", "-1"].map { Case(method, #"{"page_size":\#($0)}"#, "page_size must be at least 1") }
        }
        + [ListCohortMembers.method, DiffCohort.method, ListImports.method].map {
            Case($0, cohort(#""active""#, rest(of: $0) + #","page_size":0"#), "page_size must be at least 1")
        }
        + [
            Case(
                SegmentsOfUser.method, #"{"user":{"external_id":"u-1"},"page_size":0}"#, "page_size must be at least 1"),
            Case(
                ListSegmentMembers.method, #"{"filter":{"everyone":{}},"page_size":0}"#, "page_size must be at least 1"),
            Case(
                SizeSegment.method, #"{"filter":{"everyone":{}},"max_staleness_ms":-1}"#,
                "max_staleness_ms must not be negative"),
            Case(
                DiffCohort.method, cohort(#""active""#, #","from_version":1,"at_version":0"#),
                "at_version must not be before from_version"),
            Case(
                DiffCohort.method, cohort(#""active""#, #","from_version":-1"#),
                "from_version names a version that is not kept", .outOfRange
            ),
            Case(
                DiffCohort.method, cohort(#""active""#, #","from_version":9"#),
                "from_version names a version that is not kept", .outOfRange),
            Case(
                ListCohortMembers.method, cohort(#""active""#, #","at_version":2"#),
                "at_version names a version that is not kept",
                .outOfRange),
            Case(
                ListCohortMembers.method, cohort(#""active""#, #","at_version":-1"#),
                "at_version names a version that is not kept",
                .outOfRange),
            Case(ListImports.method, cohort(#""active""#, #","version":-1"#), "no such import", .notFound),
            Case(ListImports.method, #"{"partner":"tinyclues","page_size":0}"#, "page_size must be at least 1"),
            Case(
                ListImports.method, #"{"partner":"tinyclues","request_id":\#(text(300))}"#, "no import of this",
                .notFound),
            Case(GetExport.method, #"{"object_prefix":\#(text(300))}"#, "there is no export", .notFound),
            Case(GetExport.method, #"{"object_prefix":""}"#, "there is no export", .notFound),
            Case(
                CreateKey.method, #"{"kind":"service","name":"x","scopes":["*"],"expires_at":"2001-01-01"}"#,
                "expires_at has passed already"),
        ]

    static let exclusive: [Case] = [
        Case(SizeSegment.method, "{}", "either segment_id or filter"),
        Case(SizeSegment.method, #"{"segment_id":"s","filter":{"everyone":{}}}"#, "either segment_id or filter"),
        Case(ListSegmentMembers.method, "{}", "either segment_id or filter"),
        Case(
            SizeSegment.method,
            #"{"filter":{"everyone":{}},"with_nodes":true,"at":{"everyone":1,"cohorts":[],"segments":[]}}"#,
            "with_nodes and at exclude each other"),
        Case(
            ListImports.method, cohort(#""active""#, #","version":1,"request_id":"x""#),
            "version and request_id exclude each other"),
        Case(ListImports.method, #"{"partner":"tinyclues","version":1}"#, "version needs cohort_id"),
        Case(
            ListImports.method, #"{"partner":"tinyclues","version":1,"request_id":"x"}"#,
            "version and request_id exclude each other"),
        Case(CreateKey.method, #"{"kind":"import","name":"x"}"#, "partner is missing"),
        Case(
            CreateKey.method, #"{"kind":"import","name":"x","partner":"p","scopes":["*"]}"#,
            "scopes are of service keys only"),
        Case(
            CreateKey.method, #"{"kind":"service","name":"x","partner":"p","scopes":["*"]}"#,
            "partner is of data import keys only"),
        Case(
            GetUser.method, #"{"user":{"external_id":"u-1","device_id":"d"}}"#,
            "user must have exactly one of external_id, alias, device_id, braze_id, email and phone"),
        Case(
            ImportCohort.method, cohort(#""c""#, #","cohort_changes":[{"user_ids":["u-1"]},{"should_remove":true}]"#),
            "cohort_changes[1] must have user_ids, device_ids or aliases"),
    ]

    static func cohort(_ id: String, _ more: String) -> String {
        #"{"partner":"tinyclues","cohort_id":\#(id)\#(more)}"#
    }

    static func attribute(_ fields: String, _ message: String) -> Case {
        Case(SizeSegment.method, #"{"filter":{"attribute":{\#(fields)}}}"#, message)
    }

    static func key(_ scopes: Int) -> String {
        #"{"kind":"service","name":"x","scopes":\#(list(scopes, "\"segments.check\""))}"#
    }
}

/// A JSON string of `bytes` bytes.
func text(_ bytes: Int) -> String { "\"" + String(repeating: "x", count: bytes) + "\"" }

/// A JSON array of `count` equal values.
func list(_ count: Int, _ value: String) -> String {
    "[" + Array(repeating: value, count: count).joined(separator: ",") + "]"
}
