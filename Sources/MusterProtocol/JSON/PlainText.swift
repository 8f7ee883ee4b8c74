/// Writes JSON that is known by heart, for `Call.append`.
extension [UInt8] {
    /// Appends text that needs no escapes.
    mutating func append(text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(json value: Bool) { append(text: value ? "true" : "false") }

    mutating func append(json number: Int64) throws(JSONError) { try JSONText.append(checking: number, to: &self) }

    mutating func append(json number: Int) throws(JSONError) { try append(json: Int64(number)) }

    mutating func append(json identifier: Identifier) throws(JSONError) {
        try JSONText.append(checking: identifier.bytes, to: &self)
    }

    mutating func append(json text: String) throws {
        var text = text
        try text.withUTF8 { try JSONText.append(checking: UnsafeRawBufferPointer($0), to: &self) }
    }

    /// Appends an array.
    mutating func append<Value>(
        array: [Value], _ write: (Value, inout [UInt8]) throws -> Void
    ) rethrows {
        append(UInt8(ascii: "["))
        var isFirst = true
        for element in array {
            if !isFirst { append(UInt8(ascii: ",")) }
            isFirst = false
            try write(element, &self)
        }
        append(UInt8(ascii: "]"))
    }

    /// Appends the field `versions`, if there are any, after another field.
    mutating func append(versions: Versions?) throws {
        guard let versions else { return }
        append(text: ",\"versions\":{\"everyone\":")
        try append(json: versions.everyone)
        if let attributes = versions.attributes {
            append(text: ",\"attributes\":")
            try append(json: attributes)
        }
        if let events = versions.events {
            append(text: ",\"events\":")
            try append(json: events)
        }
        append(text: ",\"cohorts\":")
        try append(array: versions.cohorts) { cohort, bytes in try bytes.append(version: cohort) }
        append(text: ",\"segments\":")
        try append(array: versions.segments) { segment, bytes in
            bytes.append(text: "{\"segment_id\":")
            try bytes.append(json: segment.segmentID)
            bytes.append(text: ",\"version\":")
            try bytes.append(json: segment.version)
            bytes.append(UInt8(ascii: "}"))
        }
        append(UInt8(ascii: "}"))
    }

    private mutating func append(version cohort: CohortVersion) throws {
        append(text: "{\"partner\":")
        try append(json: cohort.partner)
        append(text: ",\"cohort_id\":")
        try append(json: cohort.cohortID)
        append(text: ",\"version\":")
        try append(json: cohort.version)
        if let generation = cohort.generation {
            append(text: ",\"generation\":")
            try append(json: Int64(generation))
        }
        append(UInt8(ascii: "}"))
    }
}
