import MusterProtocol
import Testing

/// Checks that pages describe exactly the fields that a call's type asks for.
@Suite struct FieldDescriptionTests {
    private func lines(_ fields: [FieldDescription]) -> [String] {
        fields.map { "\($0.path): \($0.type), \($0.presence.map { "\($0)" } ?? "-")" }
    }

    @Test func aCallDescribesItsFieldsTheirTypesAndWhichAreRequired() throws {
        #expect(
            lines(try ImportCohort.bodyFields()) == [
                "partner: string, required", "cohort_id: string, required", "request_id: string, optional",
                "cohort_changes: array of objects, required", "cohort_changes[].user_ids: array of strings, optional",
                "cohort_changes[].device_ids: array of strings, optional",
                "cohort_changes[].aliases: array of objects, optional",
                "cohort_changes[].aliases[].alias_label: string, required",
                "cohort_changes[].aliases[].alias_name: string, required",
                "cohort_changes[].should_remove: boolean, optional", "with_outcomes: boolean, optional",
                "must_exist: boolean, optional",
            ])
        #expect(
            lines(try CreateKey.bodyFields()).prefix(3) == [
                "kind: `\"import\"`, `\"service\"`, required", "partner: string, optional", "name: string, required",
            ])
        #expect(lines(try SegmentDataSeries.bodyFields()).contains("length: whole number, required"))
        #expect(lines(try DiffCohort.bodyFields()).contains("from_version: whole number, required"))
        #expect(try GetHealth.bodyFields().isEmpty)
    }

    @Test func aChoiceIsOne() throws {
        let fields = lines(try SizeSegment.bodyFields())
        for line in [
            "filter: object, optional", "filter.all: array of objects as `filter`, choice",
            "filter.not: object as `filter`, choice", "filter.attribute: object, choice",
            "filter.attribute.name: string, required", "filter.attribute.value: string, number or boolean, optional",
            "filter.event.after: time, optional", "max_staleness_ms: whole number, optional",
        ] { #expect(fields.contains(line), "\(line) in \(fields)") }
        #expect(lines(try GetUser.bodyFields()).contains("user.external_id: string, choice"))
    }

    @Test func aReplyDescribesWhichFieldsAreOptional() throws {
        #expect(
            lines(try CreateCohort.replyFields()) == [
                "outcome: `\"created\"`, `\"renamed\"`, `\"unchanged\"`, required", "version: whole number, required",
                "size: whole number, required",
            ])
        let imports = lines(try ListImports.replyFields())
        for line in [
            "imports: array of objects, required", "imports[].cohort_id: string, required",
            "imports[].request_id: string, optional", "imports[].imported_at: time, required",
            "imports[].receipt.added: whole number, required", "imports[].outcomes[].count: whole number, required",
            "next_page_token: string, optional",
        ] { #expect(imports.contains(line), "\(line) in \(imports)") }
    }

    @Test func objectsThatAreValidatedAloneDescribeTheRulesOfTheirFields() throws {
        let fields = try TrackUsers.bodyFields()
        for line in [
            "attributes[].external_id: string or whole number, choice",
            "attributes[].push_tokens: array of objects, optional",
            "attributes[].push_tokens[].device_id: string, optional", "events[].user_alias: object, choice",
            "events[].user_alias.alias_label: string, required", "events[].time: time, required",
            "purchases[].price: number, required", "purchases[].quantity: whole number, optional",
        ] { #expect(lines(fields).contains(line), "\(line) in \(lines(fields))") }
        let label = try #require(fields.first { $0.path == "events[].user_alias.alias_label" })
        #expect(label.isValidatedSeparately && label.bounds == "1 to 256 bytes (alias_label_bytes)")
        #expect(
            fields.filter { !$0.isValidatedSeparately }.map(\.path) == [
                "attributes", "events", "purchases", "request_id",
            ])
    }

    /// A field that a type lists but never asks for would have neither.
    @Test func everyFieldTellsItsTypeAndWhetherItMayBeLeftOut() throws {
        for call in allCalls {
            for field in try call.bodyFields() + call.replyFields() {
                #expect(field.presence != nil && field.type != "any", "\(call.method): \(field.path)")
            }
        }
    }

    /// Every outermost field of an example is in its table, and every required field of the table is in the example.
    @Test func everyExampleFitsItsTable() throws {
        for call in allCalls {
            func check<C: Call>(_: C.Type) throws {
                try compare(C.example.call, try C.bodyFields(), C.method)
                try compare(C.example.reply, try C.replyFields(), "\(C.method), reply")
            }
            try check(call)
        }
    }

    private func compare(_ example: some Encodable, _ fields: [FieldDescription], _ place: String) throws {
        let top = fields.filter(\.isTopLevel)
        let names = try JSONReader().read(try JSONEncoding.encode(example)) { value in
            try value.fields().map { $0.name.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        }
        for name in names { #expect(top.contains { $0.path == name }, "\(place): \(name)") }
        for field in top where field.presence == .required {
            #expect(names.contains(field.path), "\(place): \(field.path)")
        }
    }
}
