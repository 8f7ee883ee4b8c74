import MusterProtocol

extension BadLimitTests {
    /// Of regions, samples, explanations and differences.
    static let questions: [Case] = sizes + samples + explanations + differences

    private static let all = #"{"everyone":{}}"#
    private static let at = #""at":{"everyone":1,"cohorts":[],"segments":[]}"#

    private static let sizes: [Case] = [
        size(#""regions":\#(list(6, all))"#, "regions has 6 filters; send at most 5"),
        size(#""regions":[]"#, "regions is empty"),
        size(#""regions":[\#(all),\#(deepFilter(33))]"#, "regions[1] is deeper than 32 levels"),
        size(#""regions":[\#(wideFilter(257))]"#, "regions[0] has more than 256 nodes"),
        size(
            #""regions":[{"not":{"cohort":{"partner":"No","cohort_id":"x"}}}]"#,
            "regions[0].not.cohort.partner is no partner's name"),
        size(#""regions":[\#(all)],\#(at)"#, "regions and at exclude each other"),
        size(#""with_marginals":true,\#(at)"#, "with_marginals and at exclude each other"),
    ]

    private static let samples: [Case] = [
        members(#""sample":10001"#, "sample must be a number of users from 1 to 10000"),
        members(#""sample":0"#, "sample must be a number of users from 1 to 10000"),
        members(#""sample":-1"#, "sample must be a number of users from 1 to 10000"),
        members(#""sample":1,"page_size":1"#, "page_size and sample exclude each other"),
        members(#""sample":1,"page_token":"x""#, "page_token and sample exclude each other"),
        members(#""seed":1"#, "seed needs sample"),
    ]

    private static let explanations: [Case] = [
        explain(#""segment_id":\#(text(257))"#, "segment_id is over 256 bytes"),
        explain(#""segment_id":"""#, "segment_id is empty"),
        explain(#""segment_id":"s","filter":\#(all)"#, "either segment_id or filter"),
        explain(#""filter":\#(deepFilter(33))"#, "filter is deeper than 32 levels"),
        Case(ExplainSegment.method, #"{"user":{"external_id":"u-1"}}"#, "either segment_id or filter"),
        Case(
            ExplainSegment.method, #"{"user":{"external_id":\#(text(1025))},"filter":\#(all)}"#,
            "user.external_id is over 1024 bytes"),
    ]

    private static let differences: [Case] = [
        diff(#"{"segment_id":\#(text(257))}"#, #"{"filter":\#(all)}"#, "from.segment_id is over 256 bytes"),
        diff(#"{"filter":\#(all)}"#, #"{"segment_id":""}"#, "to.segment_id is empty"),
        diff(#"{"filter":\#(all)}"#, #"{"filter":\#(wideFilter(257))}"#, "to.filter has more than 256 nodes"),
        diff(
            #"{"filter":\#(all)}"#, #"{"filter":{"attribute":{"name":"","comparison":"exists"}}}"#,
            "to.filter.attribute.name must have 1 to 256 bytes"),
        diff("{}", #"{"filter":\#(all)}"#, "either from.segment_id or from.filter"),
        diff(#"{"filter":\#(all)}"#, #"{"segment_id":"s","filter":\#(all)}"#, "either to.segment_id or to.filter"),
        Case(
            DiffSegments.method, #"{"from":{"filter":\#(all)},"to":{"filter":\#(all)},"page_size":0}"#,
            "page_size must be at least 1"),
    ]

    private static func size(_ fields: String, _ message: String) -> Case {
        Case(SizeSegment.method, #"{"filter":\#(all),\#(fields)}"#, message)
    }

    private static func members(_ fields: String, _ message: String) -> Case {
        Case(ListSegmentMembers.method, #"{"filter":\#(all),\#(fields)}"#, message)
    }

    private static func explain(_ fields: String, _ message: String) -> Case {
        Case(ExplainSegment.method, #"{"user":{"external_id":"u-1"},\#(fields)}"#, message)
    }

    private static func diff(_ from: String, _ to: String, _ message: String) -> Case {
        Case(DiffSegments.method, #"{"from":\#(from),"to":\#(to)}"#, message)
    }
}
