import MusterProtocol
import MusterTestSupport
import Testing

/// Objects of `users.track` are validated by the rules that the documents state.
@Suite struct TrackRuleTests {
    /// An object with all fields that its array has, each of them good, and what a test puts in their place.
    private func object(_ array: String, _ changes: [String: String?] = [:]) -> String {
        var fields: [String: String?] = [
            "external_id": #""u""#, "user_alias": #"{"alias_label":"crm","alias_name":"u"}"#,
            "braze_id": #""b""#, "email": #""u@example.com""#, "phone": #""+33123456789""#,
            "_update_existing_only": "false",
        ]
        let own: [String: String?] =
            switch array {
            case "events": ["name": #""n""#, "time": #""2024-01-01""#, "properties": "{}", "app_id": "7"]
            case "purchases":
                [
                    "product_id": #""p""#, "currency": #""EUR""#, "price": "1", "quantity": "2",
                    "time": #""2024-01-01""#, "properties": "{}", "app_id": "7",
                ]
            default:
                [
                    "push_tokens": #"[{"app_id":7,"token":7,"device_id":"d"}]"#, "push_token_import": "false",
                    "_merge_objects": #""True""#,
                ]
            }
        fields.merge(own) { $1 }
        fields.merge(changes) { $1 }
        let text = fields.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }.joined(separator: ",")
        return #"{"\#(array)":[{\#(text)}]}"#
    }

    /// The rules of an array's fields, by name.
    private func rules(of array: String) throws -> [(name: String, rule: FieldDescription)] {
        try TrackUsers.bodyFields().compactMap { field in
            guard field.path.hasPrefix("\(array)[].") else { return nil }
            let name = String(field.path.dropFirst(array.count + 3))
            return name.contains(".") ? nil : (name, field)
        }
    }

    /// The object without these fields.
    private func object(_ array: String, without names: [String], _ changes: [String: String?] = [:]) -> String {
        object(array, changes.merging(names.map { ($0, String?.none) }) { change, _ in change })
    }

    @Test(arguments: ["attributes", "events", "purchases"])
    func requiredFieldsOfAnObjectMatchItsTable(array: String) async throws {
        try await RegistryFixture.with { fixture in
            let rules = try rules(of: array)
            #expect(try await fixture.track(object(array)).errors == [])
            for (name, rule) in rules {
                let errors = try await fixture.track(object(array, without: [name])).errors.map(\.type)
                #expect(errors == (rule.presence == .required ? ["'\(name)' is required"] : []), "\(name)")
            }
            let choices = rules.filter { $0.rule.presence == .choice }.map(\.name)
            for kept in choices + [nil] {
                let errors = try await fixture.track(object(array, without: choices.filter { $0 != kept })).errors
                #expect(errors.count == (kept == nil ? 1 : 0), "\(kept ?? "none") of \(choices)")
            }
        }
    }

    @Test(arguments: ["attributes", "events", "purchases"])
    func aValueIsTakenByTheTypeThatTheTableSays(array: String) async throws {
        let values = ["string": #""x""#, "whole number": "1", "number": "1.5", "boolean": "true", "object": "{}"]
        try await RegistryFixture.with { fixture in
            for (name, rule) in try rules(of: array) where rule.type != "JSON value" {
                var types = rule.type.split(separator: " or ").map { String($0) }
                if types == ["time"] { types = ["string"] }
                if types == ["number"] { types += ["whole number"] }
                for (type, value) in values {
                    let errors = try await fixture.track(try objectJudged(array, by: name, value)).errors.map(\.type)
                    guard !types.contains(type) else {
                        // Of strings and objects not each is good.
                        #expect(errors == [] || ["string", "object"].contains(type), "\(name): \(value)")
                        continue
                    }
                    #expect(errors.count == 1 && errors[0].contains("'\(name)'"), "\(name): \(value)")
                }
            }
        }
    }

    @Test(arguments: ["events", "purchases"])
    func aTextIsReportedFromTheByteOnThatTheTableSays(array: String) async throws {
        try await RegistryFixture.with { fixture in
            for (name, rule) in try rules(of: array) where rule.type.hasPrefix("string") {
                guard let limit = Limits.all.first(where: { rule.bounds == "1 to \($0.described)" }) else { continue }
                let max = limit.value
                for (count, isGood) in [(0, false), (1, true), (max, true), (max + 1, false)] {
                    let text = "\"\(String(repeating: "x", count: count))\""
                    let reply = try await fixture.track(try objectJudged(array, by: name, text))
                    #expect(reply.errors.isEmpty == isGood, "\(name): \(count)")
                }
            }
        }
    }

    @Test(arguments: ["events", "purchases"])
    func propertiesAreReportedFromTheByteOnThatTheTableSays(array: String) async throws {
        let max = Limits.attributesBytes
        try await RegistryFixture.with { fixture in
            let rule = try #require(try rules(of: array).first { $0.name == "properties" }?.rule)
            #expect(rule.bounds == "at most \(max.described)")
            for (count, isGood) in [(max.value, true), (max.value + 1, false)] {
                let properties = #"{"a":"\#(String(repeating: "x", count: count - 8))"}"#
                let reply = try await fixture.track(object(array, ["properties": properties]))
                #expect(reply.errors.isEmpty == isGood, "\(count)")
            }
        }
    }

    /// The object with this value, and without what would go before it as the name of the user.
    private func objectJudged(_ array: String, by name: String, _ value: String) throws -> String {
        let choices = try rules(of: array).filter { $0.rule.presence == .choice }.map(\.name)
        return object(array, without: choices.contains(name) ? choices : [], [name: value])
    }
}
