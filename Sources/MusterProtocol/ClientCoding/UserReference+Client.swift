extension UserReference {
    /// Appends the same bytes as `JSONEncoding`.
    func append(to bytes: inout [UInt8]) throws {
        switch self {
        case .externalID(let id): try append("{\"external_id\":", id, to: &bytes)
        case .deviceID(let id): try append("{\"device_id\":", id, to: &bytes)
        case .brazeID(let id): try append("{\"braze_id\":", id, to: &bytes)
        case .alias(let alias):
            bytes.append("{\"alias\":{\"alias_label\":")
            try JSONText.append(checking: alias.label.bytes, to: &bytes)
            bytes.append(",\"alias_name\":")
            try JSONText.append(checking: alias.name.bytes, to: &bytes)
            bytes.append("}}")
        case .email, .phone: try JSONEncoding.append(self, to: &bytes)
        }
    }

    private func append(_ start: StaticString, _ id: Identifier, to bytes: inout [UInt8]) throws {
        bytes.append(start)
        try JSONText.append(checking: id.bytes, to: &bytes)
        bytes.append("}")
    }
}
