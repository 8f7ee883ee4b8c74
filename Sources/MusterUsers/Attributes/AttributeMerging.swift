package import MusterProtocol

/// Attributes of a user that are being changed: values by name, names as bytes.
package typealias AttributesByName = [[UInt8]: AttributeValue]

extension Attributes {
    /// The values by name; of a name that comes twice, the last value.
    package var byName: AttributesByName { AttributesByName(entries.map { ($0.name, $0.value) }) { _, last in last } }

    /// Reads the column `attributes` of a user.
    package init(stored json: [UInt8]) throws {
        self = try JSONDecoding.decode(from: json)
    }
}

extension AttributesByName {
    /// The JSON of all values.
    var json: [UInt8] {
        get throws { try JSONEncoding.encode(Attributes(map { Attributes.Entry(name: $0.key, value: $0.value) })) }
    }

    /// The JSON to store. Throws `UserRefusal` where it is over a limit: a user with more could not be sent or read in
    /// one message.
    package var jsonWithinLimits: [UInt8] {
        get throws {
            guard count <= Limits.attributesPerUser.value else { throw UserRefusal.tooMany(Limits.attributesPerUser) }
            let json = try json
            guard json.count <= Limits.attributesBytes.value else { throw UserRefusal.tooMany(Limits.attributesBytes) }
            return json
        }
    }

    /// Adds and replaces values; `null` removes one. Returns whether anything changed.
    package mutating func merge(_ entries: [Attributes.Entry]) -> Bool {
        var changed = false
        for entry in entries {
            if entry.value == .null {
                if removeValue(forKey: entry.name) != nil { changed = true }
            } else if self[entry.name].map({ !$0.isEquivalent(to: entry.value) }) ?? true {
                self[entry.name] = entry.value
                changed = true
            }
        }
        return changed
    }

    /// Adds what is missing; returns whether anything was.
    package mutating func fill(from other: AttributesByName) -> Bool {
        let before = count
        merge(other) { own, _ in own }
        return count != before
    }
}
