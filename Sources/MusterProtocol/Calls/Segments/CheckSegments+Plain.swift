extension CheckSegments {
    public static func plain(_ body: JSONValue) -> Self? {
        var users: [UserReference]?
        var segments: [Identifier]?
        var call = Self(users: [], segments: [])
        for (name, value) in JSONFields(body) {
            if name.isText("users") {
                users = value.plainElements(UserReference.plain)
                guard users != nil else { return nil }
            } else if name.isText("segments") {
                segments = value.plainElements(\.plainIdentifier)
                guard segments != nil else { return nil }
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
        guard let users, let segments else { return nil }
        (call.users, call.segments) = (users, segments)
        return call
    }

    public static func append(_ reply: Reply, to bytes: inout [UInt8]) throws {
        bytes.append(text: "{\"results\":")
        bytes.append(array: reply.results) { result, bytes in
            switch result.user {
            case .known: bytes.append(text: "{\"user\":\"known\",\"in\":")
            case .unknown: bytes.append(text: "{\"user\":\"unknown\",\"in\":")
            }
            bytes.append(array: result.in) { isIn, bytes in bytes.append(json: isIn) }
            bytes.append(UInt8(ascii: "}"))
        }
        try bytes.append(versions: reply.versions)
        bytes.append(UInt8(ascii: "}"))
    }
}
