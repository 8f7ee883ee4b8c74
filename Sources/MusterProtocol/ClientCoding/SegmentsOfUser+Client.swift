extension SegmentsOfUser {
    public func append(to bytes: inout [UInt8]) throws {
        bytes.append("{\"user\":")
        try user.append(to: &bytes)
        bytes.append(field: ",\"with_versions\":", withVersions)
        try bytes.append(field: ",\"max_staleness_ms\":", maxStalenessMilliseconds)
        try bytes.append(field: ",\"page_size\":", pageSize)
        if let pageToken {
            bytes.append(",\"page_token\":")
            try JSONText.append(checking: Array(pageToken.utf8), to: &bytes)
        }
        bytes.append("}")
    }

    public static func reply(from text: inout PlainJSON) -> Reply? {
        guard text.take("{\"segments\":"), let segments = text.array(NamedSegment.init) else { return nil }
        var token: String?
        if text.take(",\"next_page_token\":") {
            token = text.string()
            if token == nil { return nil }
        }
        return text.take("}") ? Reply(segments: segments, nextPageToken: token) : nil
    }
}

extension NamedSegment {
    fileprivate init?(_ text: inout PlainJSON) {
        guard text.take("{\"segment_id\":"), let id = text.identifier(), text.take(",\"name\":"),
            let name = text.string(), text.take("}")
        else { return nil }
        self.init(segmentID: id, name: name)
    }
}
