extension GetInfo {
    public static func plain(_ body: JSONValue) -> Self? {
        guard body.kind == .object, body.count > 0 else { return body.kind == .object ? Self() : nil }
        guard let (name, value) = body.onlyField, name.isText("with_methods"), let flag = value.plainBool else {
            return nil
        }
        return Self(withMethods: flag)
    }

    public static func append(_ reply: Reply, to bytes: inout [UInt8]) throws {
        bytes.append(text: "{\"version\":")
        try bytes.append(json: reply.version)
        bytes.append(text: ",\"schema_version\":")
        try bytes.append(json: reply.schemaVersion)
        bytes.append(text: ",\"postgres\":")
        try JSONEncoding.append(reply.postgres, to: &bytes)
        if let url = reply.restURL {
            bytes.append(text: ",\"rest_url\":")
            try bytes.append(json: url)
        }
        bytes.append(text: ",\"limits\":")
        try bytes.append(array: reply.limits) { limit, bytes in
            bytes.append(text: "{\"name\":")
            try bytes.append(json: limit.name)
            bytes.append(text: ",\"value\":")
            try bytes.append(json: limit.value)
            bytes.append(text: ",\"unit\":")
            try bytes.append(json: limit.unit)
            bytes.append(text: ",\"reason\":")
            try bytes.append(json: limit.reason)
            bytes.append(UInt8(ascii: "}"))
        }
        if let methods = reply.methods {
            bytes.append(text: ",\"methods\":")
            try JSONEncoding.append(methods, to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}
