extension SizeSegment {
    public func append(to bytes: inout [UInt8]) throws {
        // What takes the server long need not be written fast.
        guard at == nil, withMarginals == nil, regions == nil else { return try JSONEncoding.append(self, to: &bytes) }
        let start = bytes.count
        if let segmentID {
            bytes.append(",\"segment_id\":")
            try JSONText.append(checking: segmentID.bytes, to: &bytes)
        }
        if let filter {
            bytes.append(",\"filter\":")
            try JSONEncoding.append(filter, to: &bytes)
        }
        bytes.append(field: ",\"with_nodes\":", withNodes)
        bytes.append(field: ",\"with_versions\":", withVersions)
        try bytes.append(field: ",\"max_staleness_ms\":", maxStalenessMilliseconds)
        if bytes.count == start { bytes.append(",") }
        bytes[start] = UInt8(ascii: "{")
        bytes.append("}")
    }

    public static func reply(from text: inout PlainJSON) -> Reply? {
        guard text.take("{\"size\":"), let size = text.integer() else { return nil }
        var nodes: [NodeSize]?
        if text.take(",\"nodes\":") {
            nodes = text.array(NodeSize.init)
            if nodes == nil { return nil }
        }
        return text.take("}") ? Reply(size: size, nodes: nodes) : nil
    }
}

extension NodeSize {
    fileprivate init?(_ text: inout PlainJSON) {
        guard text.take("{\"path\":"), let path = text.string(), text.take(",\"size\":"), let size = text.integer(),
            text.take("}")
        else { return nil }
        self.init(path: path, size: size)
    }
}
