extension SizeSegment {
    public static func plain(_ body: JSONValue) -> Self? {
        guard body.kind == .object else { return nil }
        var call = Self()
        for (name, value) in JSONFields(body) {
            if name.isText("segment_id") {
                guard let id = value.plainIdentifier else { return nil }
                call.segmentID = id
            } else if name.isText("filter") {
                guard let filter = Filter.plain(value) else { return nil }
                call.filter = filter
            } else if name.isText("with_nodes") {
                guard let flag = value.plainBool else { return nil }
                call.withNodes = flag
            } else if name.isText("with_marginals") {
                guard let flag = value.plainBool else { return nil }
                call.withMarginals = flag
            } else if name.isText("regions") {
                guard let filters = value.plainElements(Filter.plain) else { return nil }
                call.regions = filters
            } else if name.isText("with_versions") {
                guard let flag = value.plainBool else { return nil }
                call.withVersions = flag
            } else if name.isText("max_staleness_ms") {
                guard let number = value.plainInt else { return nil }
                call.maxStalenessMilliseconds = number
            } else {
                return nil
            }
        }
        return call
    }

    public static func append(_ reply: Reply, to bytes: inout [UInt8]) throws {
        // Counting these takes longer than any way of writing them.
        guard reply.marginals == nil, reply.regions == nil else { return try JSONEncoding.append(reply, to: &bytes) }
        bytes.append(text: "{\"size\":")
        try bytes.append(json: reply.size)
        if let nodes = reply.nodes {
            bytes.append(text: ",\"nodes\":")
            try bytes.append(array: nodes) { node, bytes in
                bytes.append(text: "{\"path\":")
                try bytes.append(json: node.path)
                bytes.append(text: ",\"size\":")
                try bytes.append(json: node.size)
                bytes.append(UInt8(ascii: "}"))
            }
        }
        try bytes.append(versions: reply.versions)
        bytes.append(UInt8(ascii: "}"))
    }
}
