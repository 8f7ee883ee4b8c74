extension SegmentsOfUser {
    public static func plain(_ body: JSONValue) -> Self? {
        guard let user = body.field("user").flatMap(UserReference.plain) else { return nil }
        var call = Self(user: user)
        for (name, value) in JSONFields(body) where !name.isText("user") {
            if name.isText("with_versions") {
                guard let flag = value.plainBool else { return nil }
                call.withVersions = flag
            } else if name.isText("max_staleness_ms") {
                guard let number = value.plainInt else { return nil }
                call.maxStalenessMilliseconds = number
            } else if name.isText("page_size") {
                guard let number = value.plainInt else { return nil }
                call.pageSize = number
            } else if name.isText("page_token") {
                guard let text = value.plainText else { return nil }
                call.pageToken = text
            } else {
                return nil
            }
        }
        return call
    }

    public static func append(_ reply: Reply, to bytes: inout [UInt8]) throws {
        bytes.append(text: "{\"segments\":")
        try bytes.append(array: reply.segments) { segment, bytes in
            bytes.append(text: "{\"segment_id\":")
            try bytes.append(json: segment.segmentID)
            bytes.append(text: ",\"name\":")
            try bytes.append(json: segment.name)
            bytes.append(UInt8(ascii: "}"))
        }
        try bytes.append(versions: reply.versions)
        if let token = reply.nextPageToken {
            bytes.append(text: ",\"next_page_token\":")
            try bytes.append(json: token)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}
