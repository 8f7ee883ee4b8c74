import Foundation
import MusterProtocol
import TestSupport
import Testing

/// `proto-docs` agrees with the definitions. `RECORD_DOCS=1 swift test --filter MusterProtocolTests.DocumentTests`
/// rewrites the pages.
/// One after the other: the first may write what the others read.
@Suite(.serialized) struct DocumentTests {
    private static let root = Repository.file("proto-docs")

    @Test func thePagesAreThoseOfTheDefinitions() throws {
        var pages = try renderedPages()
        for (path, parts) in try renderedParts() { pages[path] = page(try text(path), with: parts) }
        if ProcessInfo.processInfo.environment["RECORD_DOCS"] == "1" { try record(pages) }
        for (path, page) in pages.sorted(by: { $0.key < $1.key }) {
            let stored = try? String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
            #expect(
                stored == page,
                "proto-docs/\(path) differs: RECORD_DOCS=1 swift test --filter MusterProtocolTests.DocumentTests")
        }
    }

    @Test func thereIsNoPageWithoutACall() throws {
        let known = Set(try renderedPages().keys)
        for name in try names(in: "calls") {
            #expect(known.contains("calls/\(name)"), "proto-docs/calls/\(name) has no call")
        }
    }

    @Test func everyCodeOfAnErrorIsExplained() throws {
        let page = try text("errors.md")
        for code in RPCCode.allCases {
            #expect(page.contains("| `\(code.rawValue)` |"), "errors.md has no row for \(code)")
        }
    }

    @Test func everyErrorReasonIsExplained() throws {
        let page = try text("errors.md")
        let start = try #require(page.range(of: "## Reasons")?.upperBound)
        let rows = page[start...].matches(of: /\n\| `([a-z_]+)` \|/).map { String($0.1) }
        #expect(rows == RefusalReason.allCases.map(\.rawValue))
    }

    /// An error that a program can't read is easily written, and no caller says that it misses the reason.
    @Test func noErrorLacksItsReason() throws {
        let sources = Self.root.appending(path: "../Sources").standardizedFileURL
        let codes = RPCCode.allCases.filter(\.needsReason).map { "\($0)" }.joined(separator: "|")
        // The code is followed by a reason: a case, a value called `reason`, or a choice of cases.
        let reason = #"\.[a-z]|([a-z]+\.)?reason\b|[^,]*\? \.[a-zA-Z]+ : \.[a-z]"#
        let made = try Regex("(RPCError|\\.init)\\(\\s*\\.(\(codes)),(?!\\s*(\(reason)))\\s*[^,)]*")
        for right in [".missing, \"x\"", "reason, \"x\"", "problem.reason, x", "limit == a.b ? .tooDeep : .tooMany, x"]
        {
            #expect("RPCError(.notFound, \(right))".firstMatch(of: made) == nil, "\(right)")
        }
        for wrong in ["\"x\"", "sentence, cause: error", "sentence(about: x)", "error.message", "\n    message)"] {
            #expect("RPCError(.notFound, \(wrong))".firstMatch(of: made) != nil, "\(wrong)")
        }
        // The client's own error about a server that it can't talk to: no answer to a request, and it has a cause.
        let exempt = try Regex("RPCError\\(\\.failedPrecondition, sentence(\\(about: \"[^\"]*\"\\))?, cause: ")
        for path in try FileManager.default.subpathsOfDirectory(atPath: sources.path) where path.hasSuffix(".swift") {
            let source = try String(contentsOf: sources.appending(path: path), encoding: .utf8)
            // One file makes errors with any reason; the other converts JSON errors, whose reasons have the same names.
            if ["MusterProtocol/RefusalReason.swift", "MusterProtocol/JSON/JSONReader.swift"].contains(path) {
                continue
            }
            for match in source.matches(of: made) {
                let isExempt =
                    path.hasPrefix("MusterClient/") && source[match.range.lowerBound...].prefixMatch(of: exempt) != nil
                if isExempt { continue }
                Issue.record("\(path): \(source[match.range]): give it a RefusalReason")
            }
        }
    }

    @Test func everyComparisonAndOutcomeIsExplained() throws {
        let filters = try text("filters.md")
        for comparison in Comparison.allCases { #expect(filters.contains("`\(comparison.rawValue)`")) }
        let receipts = try text("receipts.md")
        for outcome in Outcome.allCases { #expect(receipts.contains("| `\(outcome.rawValue)` |")) }
    }

    @Test func everyCallThatTakesEarlierStatesNamesTheFiltersWithoutHistory() throws {
        for call in allCalls where try call.fieldPaths().contains("at") {
            for leaf in ["an attribute", "an event", "a purchase", "refuses `at`"] {
                #expect(call.notes.contains(leaf), "\(call.method): \(leaf)")
            }
        }
    }

    @Test func everyLinkHasATarget() throws {
        for path in try FileManager.default.subpathsOfDirectory(atPath: Self.root.path) where path.hasSuffix(".md") {
            let folder = Self.root.appending(path: path).deletingLastPathComponent()
            for link in try text(path).matches(of: /\]\(([^)#:]+)(#[^)]*)?\)/) {
                let target = folder.appending(path: String(link.1)).standardizedFileURL
                #expect(FileManager.default.fileExists(atPath: target.path), "proto-docs/\(path) links to \(link.1)")
            }
        }
    }

    @Test func jsonExamplesAreJSON() throws {
        for path in try FileManager.default.subpathsOfDirectory(atPath: Self.root.path) where path.hasSuffix(".md") {
            for block in try text(path).matches(of: /```json\n([^`]+)```/) {
                let wrapped = Array("{\"v\":\(block.1)}".utf8)
                #expect(refusal(of: wrapped) == nil, "proto-docs/\(path): \(block.1)")
            }
        }
    }

    /// What the guide begins with is what a server says: calls that there are, and a refusal with all that this one
    /// has.
    @Test func theFirstConversationInTheDocsIsARealOne() throws {
        let lines = try text("README.md").matches(of: /\n(→|←) (.+)/).map { (from: $0.1, line: String($0.2)) }
        #expect(lines.count == 6)
        var methods: [Int64: String] = [:]
        for (from, line) in lines {
            try JSONReader().read(Array(line.utf8)) { value in
                switch try Envelope(value) {
                case .request(let id, let method, _, let body):
                    #expect(from == "→")
                    let call = try #require(allCalls.first { $0.method == method }, "\(method)")
                    try check(call, body: Array(RawJSON(try #require(body)).text.utf8))
                    methods[id] = method
                case .reply(let id, let body):
                    #expect(from == "←")
                    let call = try #require(allCalls.first { $0.method == methods[id] }, "\(line)")
                    try check(call, reply: Array(RawJSON(body).text.utf8))
                case .error(let id, let error):
                    #expect(from == "←" && methods[id] == SizeSegment.method)
                    let made = RPCError(
                        .notFound, .unknownSegment, field: "segment_id",
                        "there is no segment \"no-such\"; segments.list shows those there are")
                    #expect(error == made, "\(line)")
                    #expect(line.hasSuffix(",\"details\":{\"field\":\"segment_id\",\"reason\":\"unknown_segment\"}}}"))
                default: Issue.record("\(line)")
                }
            }
        }
    }

    private func check<C: Call>(_: C.Type, body: [UInt8]) throws { _ = try JSONDecoding.decode(C.self, from: body) }

    private func check<C: Call>(_: C.Type, reply: [UInt8]) throws {
        _ = try JSONDecoding.decode(C.Reply.self, from: reply)
    }

    /// The example repeats the calls that may be, and no others, where they have no request id.
    @Test func thePythonClientRepeatsSafeCallsOnly() throws {
        func isSafe<C: Call>(_: C.Type) -> Bool { C.example.call.isSafeToRepeat }
        let source = try text("../examples/python/muster.py")
        let list = try #require(try #/REPEATABLE = {([^}]+)}/#.firstMatch(in: source))
        let named = Set(list.1.matches(of: #/"([^"]+)"/#).map { String($0.1) })
        let safe = allCalls.filter { call in
            call is any ReadingCall.Type
                || !(call is any RecordedCall.Type) && isSafe(call) && call.method != OpenSession.method
        }
        #expect(named == Set(safe.map { call in call.method }))
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
    }

    private func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: folder).path)
    }

    private func record(_ pages: [String: String]) throws {
        for name in try names(in: "calls") where pages["calls/\(name)"] == nil {
            try FileManager.default.removeItem(at: Self.root.appending(path: "calls/\(name)"))
        }
        for (path, page) in pages {
            try page.write(to: Self.root.appending(path: path), atomically: true, encoding: .utf8)
        }
    }
}
