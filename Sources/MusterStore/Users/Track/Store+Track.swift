public import MusterProtocol
import MusterSets
import Postgres

extension Store {
    /// Applies what Braze's `/users/track` asks for, in one transaction. What is wrong with an object is in the reply.
    public func track(
        _ call: TrackUsers, request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> TrackUsers.Reply {
        let batch = TrackBatch(call)
        let cache = cache
        return try await recorded(request, in: workspace, deadline: deadline) { connection in
            try connection.track(batch, in: workspace, cache: cache)
        }
    }
}

/// The good objects of a call, what is wrong with the others, and all different identifiers.
struct TrackBatch: Sendable {
    private(set) var objects: [ValidatedObject] = []
    private var errors: [TrackError] = []
    private var sent: [TrackError.InputArray: Int] = [:]
    let identifiers: [UserReference]

    init(_ call: TrackUsers) {
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

    /// Whether users are meant by what they share with others, and may be given by any change of attributes.
    var namesContacts: Bool { identifiers.contains(where: \.isContact) }
    var changesAttributes: Bool { objects.contains { !$0.changes.isEmpty } }

    /// - Parameter more: what was found only beside what is stored.
    func reply(with more: (objects: [TrackError], fields: [TrackError])) -> TrackUsers.Reply {
        let arrays = TrackError.InputArray.allCases
        let refused = errors + more.objects
        let errors = (refused + more.fields).sorted { a, b in
            let places = (arrays.firstIndex(of: a.inputArray) ?? 0, arrays.firstIndex(of: b.inputArray) ?? 0)
            return places.0 == places.1 ? a.index < b.index : places.0 < places.1
        }
        func processed(_ array: TrackError.InputArray) -> Int? {
            sent[array].map { $0 - refused.count { $0.inputArray == array } }
        }
        return TrackUsers.Reply(
            attributesProcessed: processed(.attributes), eventsProcessed: processed(.events),
            purchasesProcessed: processed(.purchases), errors: errors)
    }
}

extension WorkspaceTransaction {
    /// Locks as an upsert does; the heads of what users did come after those of what they are.
    fileprivate borrowing func track(
        _ batch: TrackBatch, in workspace: WorkspaceID, cache: SetCache
    ) throws -> WriteResult<TrackUsers.Reply> {
        let (found, everyone) = try findToWrite(
            batch.identifiers, locksFirst: batch.namesContacts, changesAttributes: batch.changesAttributes,
            in: workspace)
        let (users, holders) = try plannedUsers(
            of: batch.objects, found, needsKind: batch.namesContacts, in: workspace)
        let plan = try TrackPlan(batch.objects, users: users, holders: holders)
        let (sets, numbers) = try write(plan.users, under: everyone, in: workspace, cache: cache)
        try append(plan.events, by: numbers, in: workspace)
        return WriteResult(reply: batch.reply(with: plan.errors), sets: sets)
    }

    /// What users did. Last, since the heads that it takes come last in the order of locks.
    private borrowing func append(
        _ tracked: [(index: Int, event: ValidatedObject.TrackedEvent)], by numbers: [Int32], in workspace: WorkspaceID
    ) throws {
        guard !tracked.isEmpty else { return }
        var events: [NewEvent] = []
        var purchases: [NewPurchase] = []
        for (index, event) in tracked {
            switch event {
            case .event(let name, let moment, let properties):
                events.append(
                    NewEvent(userNumber: numbers[index], name: name, occurredAt: moment, properties: properties))
            case .purchase(let product, let currency, let price, let quantity, let moment, let properties):
                purchases.append(
                    NewPurchase(
                        userNumber: numbers[index], productID: product, currency: currency, price: price,
                        quantity: quantity, occurredAt: moment, properties: properties))
            }
        }
        try append(events, purchases, in: workspace)
    }
}

extension ValidatedObject: BatchEntry {
    var meant: UserReference { user }
    var others: [UserReference] { devices.map(UserReference.deviceID) }
    var touchesAttributes: Bool { !changes.isEmpty }
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
