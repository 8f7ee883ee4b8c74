import MusterProtocol

/// The body of `/users/track` and `/users/track/bulk`.
struct TrackBody: Decodable {
    let attributes: [Element]?
    let events: [Element]?
    let purchases: [Element]?

    /// An element that is not an object counts as an empty one: it names no user, and only it is refused.
    struct Element: Decodable {
        let object: Attributes

        init(from decoder: any Decoder) throws {
            var object = (try? decoder.singleValueContainer().decode(Attributes.self)) ?? Attributes()
            // A number beyond ±2^53 is stored only as an id, by its digits.
            if case .number? = object["external_id"] {
                let id = try? decoder.container(keyedBy: CodingKeys.self).decode(LooseID.self, forKey: .externalID).id
                object["external_id"] = id.map { .string($0.bytes) } ?? object["external_id"]
            }
            self.object = object
        }

        private enum CodingKeys: String, CodingKey { case externalID = "external_id" }
    }

    var call: TrackUsers {
        TrackUsers(
            attributes: attributes?.map(\.object), events: events?.map(\.object), purchases: purchases?.map(\.object))
    }
    /// The name of the first array of more than `max` objects.
    func array(longerThan max: Int) -> String? {
        let counts = [("attributes", attributes), ("events", events), ("purchases", purchases)]
        return counts.first { $0.1?.count ?? 0 > max }?.0
    }
    var count: Int { [attributes, events, purchases].reduce(0) { $0 + ($1?.count ?? 0) } }

    /// The largest number of objects that name their user in the same way.
    var maxOfOneUser: Int {
        var counts: [Attributes.Entry: Int] = [:]
        for element in [attributes, events, purchases].flatMap({ $0 ?? [] }) {
            if let name = element.object.userName { counts[name, default: 0] += 1 }
        }
        return counts.values.max() ?? 0
    }
}

extension Attributes {
    /// The field that identifies the user of an object, and its value.
    fileprivate var userName: Entry? {
        for field in ["external_id", "user_alias", "braze_id", "email", "phone"] {
            switch self[field] {
            case nil, .null: continue
            case .integer(let number):
                return Entry(name: Array(field.utf8), value: .string(Array(String(number).utf8)))
            case let value?: return Entry(name: Array(field.utf8), value: value)
            }
        }
        return nil
    }
}
