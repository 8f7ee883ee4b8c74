package import MusterProtocol

/// The valid objects of a call, the errors of the others, and all identifiers without repetitions.
package struct TrackBatch: Sendable {
    package private(set) var objects: [ValidatedObject] = []
    private var errors: [TrackError] = []
    private var sent: [TrackError.InputArray: Int] = [:]
    package let identifiers: [UserReference]

    /// Validates the objects of a call.
    package init(_ call: TrackUsers) {
        var objects: [ValidatedObject] = []
        for (array, inputs) in [
            (TrackError.InputArray.attributes, call.attributes), (.events, call.events), (.purchases, call.purchases),
        ] {
            guard let inputs else { continue }
            sent[array] = inputs.count
            for (index, input) in inputs.enumerated() {
                do { objects.append(try ValidatedObject(input, in: array, at: index)) } catch {
                    let type = (error as? TrackRefusal)?.type ?? "the object is not valid"
                    errors.append(TrackError(type, in: array, at: index))
                }
            }
        }
        self.objects = objects
        identifiers = Array(Set(objects.flatMap { [$0.user] + $0.devices.map(UserReference.deviceID) }))
    }

    /// Whether objects name users by e-mail address or telephone number, which several users may have, and which a
    /// change of attributes may give a user.
    package var namesContacts: Bool { identifiers.contains(where: \.isContact) }
    /// Whether an object changes attributes.
    package var changesAttributes: Bool { objects.contains { !$0.changes.isEmpty } }

    /// - Parameter more: errors that depend on what is stored.
    package func reply(with more: (objects: [TrackError], fields: [TrackError])) -> TrackUsers.Reply {
        let arrays = TrackError.InputArray.allCases
        let refused = errors + more.objects
        let errors = (refused + more.fields).sorted { a, b in
            let order = (arrays.firstIndex(of: a.inputArray) ?? 0, arrays.firstIndex(of: b.inputArray) ?? 0)
            return order.0 == order.1 ? a.index < b.index : order.0 < order.1
        }
        func processed(_ array: TrackError.InputArray) -> Int? {
            sent[array].map { $0 - refused.count { $0.inputArray == array } }
        }
        return TrackUsers.Reply(
            attributesProcessed: processed(.attributes), eventsProcessed: processed(.events),
            purchasesProcessed: processed(.purchases), errors: errors)
    }
}

extension ValidatedObject: BatchEntry {
    package var otherIdentifiers: [UserReference] { devices.map(UserReference.deviceID) }
    package var touchesAttributes: Bool { !changes.isEmpty }
}

extension UserReference {
    /// Whether several users may have it.
    fileprivate var isContact: Bool {
        switch self {
        case .email, .phone: true
        default: false
        }
    }
}
