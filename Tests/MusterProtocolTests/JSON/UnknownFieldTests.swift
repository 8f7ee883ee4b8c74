import MusterProtocol
import Testing

/// Requests with unknown fields are refused, at every level except where keys are data.
@Suite struct UnknownFieldTests {
    @Test func everyObjectOfEveryExampleRefusesAFieldThatItDoesNotHave() throws {
        var objects = 0
        for call in allCalls {
            for body in try bodies(of: call) {
                for place in try objectPlaces(in: body) where !isData(place.path, call.method) {
                    let unknown = place.path.isEmpty ? "zzz" : "\(place.path).zzz"
                    let error = refusal(of: call, place.adding(#""zzz":1"#))
                    #expect(error?.reason == .unknownField, "\(call.method): \(unknown)")
                    #expect(error?.path == unknown)
                    #expect(error?.description.hasPrefix("\(unknown) is not a field") == true, "\(error as Any)")
                    #expect(refusal(of: call, place.adding(#""zzz":null"#))?.reason == .unknownField)
                    objects += 1
                }
            }
        }
        #expect(objects > 100)
    }

    @Test func theErrorSuggestsTheNearestName() throws {
        for call in allCalls {
            for path in try paths(of: call) where !path.contains("[]") && !path.contains(".") {
                let misspelt = String(path.dropLast())
                let error = refusal(of: call, #"{"\#(misspelt)":null}"#)
                #expect(error?.description == "\(misspelt) is not a field; did you mean \(path)?", "\(call.method)")
            }
        }
    }

    @Test(arguments: [
        (
            #"{"filter":{"purchase":{"within_day":3}}}"#,
            "filter.purchase.within_day is not a field; did you mean within_days?"
        ),
        (
            #"{"filter":{"attribute":{"name":"a","comparison":"exists","negate":true}}}"#,
            "filter.attribute.negate is not a field; the valid fields are name, comparison, value"
        ),
        (
            #"{"filter":{"attribute":{"name":"a","comparison":"exists"},"negate":true}}"#,
            "filter.negate is not a field; the valid fields are all, any, not, everyone, cohort, segment, attribute, identifier, event, purchase"
        ),
        (#"{"filter":{"everyone":{"really":true}}}"#, "filter.everyone.really is not a field; there is none here"),
        (#"{"filter":{"all":[{"not":{"cohrt":{}}}]}}"#, "filter.all[0].not.cohrt is not a field; did you mean cohort?"),
        (#"{"segment_di":"x"}"#, "segment_di is not a field; did you mean segment_id?"),
    ])
    func aMistypedFilterIsRefused(body: String, sentence: String) {
        #expect(refusal(of: SizeSegment.self, body)?.description == sentence)
    }

    @Test func nullIsAsIfAnOptionalFieldWereAbsent() throws {
        #expect(refusal(of: SizeSegment.self, #"{"segment_id":"s","filter":null,"at":null}"#) == nil)
    }

    @Test func namesThatAreDataMayBeAny() throws {
        let upsert = #"{"users":[{"external_id":"u-1","attributes":{"shoe_size":43,"deep":{"er":[{"x":1}]}}}]}"#
        #expect(refusal(of: UpsertUsers.self, upsert) == nil)
        let track = #"""
            {"attributes":[{"external_id":"u-1","anything":{"at":"all"}}],
             "events":[{"external_id":"u-1","name":"a","time":"2026-01-01","app_id":"x","properties":{"any":1}}],
             "purchases":[{"braze_id":"b","product_id":"a","currency":"EUR","price":1,"time":"2026-01-01","properties":{"any":1}}]}
            """#
        #expect(refusal(of: TrackUsers.self, track) == nil)
    }

    @Test(arguments: [
        (#"{"events":[{"nam":"a"}]}"#, "events[0].nam is not a field; did you mean name?"),
        (#"{"events":[{"name":"a","user_alias":{"alias_lable":"x"}}]}"#, "did you mean alias_label?"),
        (#"{"attributes":[{},{"user_alias":{"name":"x"}}]}"#, "attributes[1].user_alias.name is not a field"),
        (#"{"attributes":[{"push_tokens":[{"devic_id":"x"}]}]}"#, "did you mean device_id?"),
        (#"{"purchases":[{"product":"a"}]}"#, "purchases[0].product is not a field; did you mean product_id?"),
    ])
    func trackedObjectsMayHaveAnyFieldName(body: String, sentence: String) {
        #expect(refusal(of: TrackUsers.self, body)?.description.contains(sentence) == true)
    }

    @Test func aPrioritizationWithoutSomethingToChooseFromIsRefused() {
        let body = #"{"user":{"external_id":"u-1","prioritization":["identified"]}}"#
        #expect(refusal(of: GetUser.self, body)?.description.contains("prioritization") == true)
    }

    @Test func repliesAndStoredFiltersIgnoreUnknownFields() throws {
        _ = try decode(SizeSegment.Reply.self, #"{"size":1,"newer":2}"#)
        _ = try decode(Filter.self, #"{"everyone":{},"newer":2}"#)
    }

    @Test func theFieldsOfACallAreThoseThatItsTypeHas() throws {
        #expect(
            try ImportCohort.fieldPaths() == [
                "partner", "cohort_id", "request_id", "cohort_changes", "cohort_changes[].user_ids",
                "cohort_changes[].device_ids", "cohort_changes[].aliases", "cohort_changes[].aliases[].alias_label",
                "cohort_changes[].aliases[].alias_name", "cohort_changes[].should_remove", "with_outcomes",
                "must_exist",
            ])
        #expect(try GetHealth.fieldPaths() == [])
        let size = try SizeSegment.fieldPaths()
        for path in [
            "filter.purchase.total_spent.value", "filter.cohort.cohort_id", "filter.all", "at.cohorts[].version",
        ] {
            #expect(size.contains(path))
        }
        #expect(!size.contains { $0.hasPrefix("filter.all[") || $0.hasPrefix("filter.not.") })
        #expect(try TrackUsers.fieldPaths().contains("purchases[].user_alias.alias_name"))
        for call in allCalls {
            let known = Set(try paths(of: call))
            for body in try bodies(of: call) {
                for place in try objectPlaces(in: body) where !isData(place.path, call.method) {
                    let path = plain(place.path)
                    let field = path.hasSuffix("[]") ? String(path.dropLast(2)) : path
                    #expect(field.isEmpty || known.contains(field), "\(call.method): \(place.path)")
                }
            }
        }
    }
}

// MARK: Bodies

/// The example of a call, with every kind of filter if it has one.
private func bodies(of call: any Call.Type) throws -> [String] {
    func example<C: Call>(_: C.Type) throws -> String { try encode(C.example.call) }
    var bodies = [try example(call)]
    if [SizeSegment.method, ListSegmentMembers.method].contains(call.method) {
        bodies += [#"{"filter":\#(everyFilter)}"#, #"{"at":\#(try encode(versions)),"segment_id":"s"}"#]
    }
    if call.method == GetInfo.method { bodies.append("{}") }
    return bodies
}

private let everyFilter = #"""
    {"all":[{"any":[{"not":{"everyone":{}}},{"cohort":{"partner":"p","cohort_id":"c"}},{"segment":{"segment_id":"s"}}]},
     {"attribute":{"name":"a","comparison":"exists"}},
     {"event":{"name":"a","count":{"comparison":"equals","value":1}}},
     {"purchase":{"count":{"comparison":"equals","value":1},"total_spent":{"comparison":"equals","value":1},"last_purchase":{"comparison":"before","value":"2026-01-01"}}}]}
    """#
private let versions = Versions(
    everyone: 1, cohorts: [.init(partner: "p", cohortID: "c", version: 1)],
    segments: [.init(segmentID: "s", version: 1)])

private func paths(of call: any Call.Type) throws -> [String] { try call.fieldPaths() }

/// Objects whose keys are data.
private func isData(_ path: String, _ method: String) -> Bool {
    path.hasSuffix("].attributes") || path.hasSuffix(".properties")
        || (method == TrackUsers.method && plain(path) == "attributes[]")
}

/// A path without numbers, and without the filters around a filter. Later filters of a call are described as its first.
private func plain(_ path: String) -> String {
    let path = path.replacing(/\[\d+\]/, with: "[]").replacing(/^regions\[\]\./, with: "filter.")
    let last = path.matches(of: /(^|\.)(all|any|not)(\[\])?/).last
    return last.map { path.hasPrefix("filter") ? "filter" + path[$0.range.upperBound...] : path } ?? path
}

private func refusal(of call: any Call.Type, _ body: String) -> JSONError? {
    func read<C: Call>(_: C.Type) throws {
        try JSONReader().read(Array(body.utf8)) { _ = try JSONDecoding.decode(request: C.self, from: $0) }
    }
    do { try read(call) } catch { return error as? JSONError }
    return nil
}

/// Every object in a body, with the body after adding a field to it.
private func objectPlaces(in body: String) throws -> [(path: String, adding: (String) -> String)] {
    try JSONReader().read(Array(body.utf8)) { root in
        var places: [(path: String, adding: (String) -> String)] = []
        try visit(root, path: "", whole: { $0 }, into: &places)
        return places
    }
}

private func visit(
    _ value: JSONValue, path: String, whole: @escaping (String) -> String,
    into places: inout [(path: String, adding: (String) -> String)]
) throws {
    switch value.kind {
    case .object:
        let fields = try value.fields().map {
            (
                name: $0.name.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }, text: RawJSON($0.value).text,
                value: $0.value
            )
        }
        func object(_ texts: [String]) -> String { "{\(texts.joined(separator: ","))}" }
        let texts = fields.map { "\"\($0.name)\":\($0.text)" }
        places.append((path, { whole(object(texts + [$0])) }))
        for (position, field) in fields.enumerated() {
            try visit(
                field.value, path: path.isEmpty ? field.name : "\(path).\(field.name)",
                whole: { text in
                    var texts = texts
                    texts[position] = "\"\(field.name)\":\(text)"
                    return whole(object(texts))
                }, into: &places)
        }
    case .array:
        let texts = try value.elements().map { RawJSON($0).text }
        for (position, element) in try value.elements().enumerated() {
            try visit(
                element, path: "\(path)[\(position)]",
                whole: { text in
                    var texts = texts
                    texts[position] = text
                    return whole("[\(texts.joined(separator: ","))]")
                }, into: &places)
        }
    default: break
    }
}
