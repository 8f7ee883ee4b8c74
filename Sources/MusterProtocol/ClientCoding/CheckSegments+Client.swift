extension CheckSegments {
    public func append(to bytes: inout [UInt8]) throws {
        bytes.append("{\"users\":[")
        for (number, user) in users.enumerated() {
            if number > 0 { bytes.append(",") }
            try user.append(to: &bytes)
        }
        bytes.append("],\"segments\":[")
        for (number, segment) in segments.enumerated() {
            if number > 0 { bytes.append(",") }
            try JSONText.append(checking: segment.bytes, to: &bytes)
        }
        bytes.append("]")
        bytes.append(field: ",\"with_versions\":", withVersions)
        try bytes.append(field: ",\"max_staleness_ms\":", maxStalenessMilliseconds)
        bytes.append("}")
    }

    public static func reply(from text: inout PlainJSON) -> Reply? {
        guard text.take("{\"results\":"), let results = text.array(CheckResult.init), text.take("}") else { return nil }
        return Reply(results: results)
    }
}

extension CheckResult {
    fileprivate init?(_ text: inout PlainJSON) {
        guard text.take("{\"user\":\"") else { return nil }
        if text.take("known\",\"in\":") {
            user = .known
        } else if text.take("unknown\",\"in\":") {
            user = .unknown
        } else {
            return nil
        }
        guard let flags = text.array({ $0.bool() }), text.take("}") else { return nil }
        `in` = flags
    }
}
