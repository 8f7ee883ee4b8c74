import Foundation
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// `docs/partners.md` and `scripts/partner-check`, as a partner would use them.
@Suite struct PartnerDocumentTests {
    /// A block of `sh` that is followed by a block of what it prints; `…` there stands for anything.
    private struct Line {
        let command: String
        let output: String
    }

    @Test(.enabled(if: Shell.has("curl"), "there is no curl (Debian: scripts/packages curl)"))
    func everyCommandOfTheDocumentPrintsTheShownOutput() async throws {
        let lines = try Self.lines(of: "docs/partners.md")
        #expect(lines.count >= 5)
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let connector = try await Connector(muster)
            let environment = [
                "MUSTER": "http://127.0.0.1:\(try await muster.server.restPort())", "KEY": connector.key,
            ]
            for line in lines {
                let run = try await Shell.run(["sh", "-eu", "-c", line.command], environment: environment)
                #expect(Self.matches(run.output, line.output), "\(line.command)\nprints:\n\(run.output)")
            }
        }
    }

    @Test func theDocumentListsEveryResponseOfTheContract() throws {
        let text = try String(contentsOf: Repository.file("docs/partners.md"), encoding: .utf8)
        for status in [200, 201, 400, 401, 404, 405, 413, 415, 422, 423, 429, 431, 500, 501, 503, 504] {
            #expect(text.contains("\n| \(status) |"), "\(status)")
        }
    }

    @Test(.enabled(if: Shell.has("curl"), "there is no curl (Debian: scripts/packages curl)"))
    func partnerCheckPassesOnAHealthyServer() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            let plain = try await check(connector)
            #expect(plain.status == 0 && plain.output.contains("All of it holds."), "\(plain.output)")
            #expect(plain.output.contains("yes    text      same       and says: Only 1,000"), "\(plain.output)")
            _ = try await muster.send(SetPartner(partner: "tinyclues", partnerAPIKey: "partner-key-of-tinyclues"))
            let proved = try await check(connector, "partner-key-of-tinyclues")
            #expect(proved.status == 0 && proved.output.contains("a wrong partner_api_key"), "\(proved.output)")
            let cohorts = try await muster.send(ListCohorts()).cohorts
            #expect(cohorts.map(\.name) == ["partner-check"] && cohorts.map(\.size) == [0])
        }
    }

    @Test(.enabled(if: Shell.has("curl"), "there is no curl (Debian: scripts/packages curl)"))
    func partnerCheckFailsOnABrokenServer() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            _ = try await muster.send(SetPartner(partner: "tinyclues", enabled: false))
            let run = try await check(connector)
            #expect(run.status == 1 && run.output.contains("Some of it does not hold."), "\(run.output)")
            #expect(run.output.contains("no     2xx       401    a cohort is named"), "\(run.output)")
            #expect(run.output.contains("no     text      other      and says: `cohort_id` must be"), "\(run.output)")
            #expect(!run.output.contains(connector.key))
        }
        #expect(try await Shell.run([Self.script]).status == 2)
    }

    private static let script = Repository.file("scripts/partner-check").path

    private func check(_ connector: Connector, _ partnerKey: String? = nil) async throws -> (
        status: Int32, output: String
    ) {
        let url = "http://127.0.0.1:\(try await connector.server.restPort())"
        return try await Shell.run([Self.script, url, "tinyclues", connector.key] + [partnerKey].compactMap(\.self))
    }

    private static func lines(of document: String) throws -> [Line] {
        let text = try String(contentsOf: Repository.file(document), encoding: .utf8)
        var lines: [Line] = []
        var (fence, blocks): (String?, [String]) = (nil, [])
        for line in text.components(separatedBy: "\n") {
            if let inside = fence {
                if line == "```" {
                    if inside != "sh", blocks.count == 2 { lines.append(Line(command: blocks[0], output: blocks[1])) }
                    if inside != "sh" { blocks = [] }
                    fence = nil
                } else {
                    blocks[blocks.count - 1] += line + "\n"
                }
            } else if line.hasPrefix("```") {
                fence = String(line.dropFirst(3))
                blocks = fence == "sh" ? [""] : blocks + [""]
            } else {
                blocks = []
            }
        }
        return lines
    }

    /// Whether the same is printed, blanks and line ends aside.
    private static func matches(_ output: String, _ wanted: String) -> Bool {
        func dense(_ text: String) -> String { text.filter { !$0.isWhitespace } }
        var rest = dense(output)[...]
        let parts = dense(wanted).components(separatedBy: "…")
        for (index, part) in parts.enumerated() {
            guard let found = rest.range(of: part), index > 0 || found.lowerBound == rest.startIndex else {
                return false
            }
            rest = rest[found.upperBound...]
        }
        return parts.last == "" || rest.isEmpty
    }
}
