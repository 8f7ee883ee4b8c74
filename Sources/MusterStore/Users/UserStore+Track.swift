public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

extension UserStore {
    /// Applies the objects of Braze's `/users/track` in one transaction. The reply lists the errors of single objects.
    public func track(
        _ call: TrackUsers, request: IdempotencyKey
    ) async throws -> TrackUsers.Reply {
        let batch = TrackBatch(call)
        let (cache, keys) = (store.cache, store.digestKeys)
        return try await withIdempotency(request) { transaction in
            try transaction.track(batch, cache: cache, keys: keys)
        }
    }
}

extension WorkspaceTransaction {
    /// Locks as an upsert does; the head of events comes after the head of attributes and before that of identifiers.
    fileprivate borrowing func track(
        _ batch: TrackBatch, cache: SetCache, keys: IdentifierDigestKeys
    ) throws -> WriteResult<TrackUsers.Reply> {
        let (found, everyone) = try findToWrite(
            batch.identifiers, locksFirst: batch.namesContacts, changesAttributes: batch.changesAttributes)
        let (users, holders) = try plannedUsers(
            of: batch.objects, found, needsKind: batch.namesContacts)
        let plan = try TrackPlan(batch.objects, users: users, holders: holders)
        let written = try write(plan.users, under: everyone, cache: cache)
        try append(plan.events, by: written.numbers)
        try raiseIdentifiers(written.identifiers, under: everyone, keys: keys)
        return WriteResult(reply: batch.reply(with: plan.errors), sets: written.sets)
    }

    /// Appends events and purchases. Runs after the users are written, since their head is later in the lock order.
    private borrowing func append(
        _ tracked: [(index: Int, event: TrackedEvent)], by numbers: [UserNumber]
    ) throws {
        guard !tracked.isEmpty else { return }
        var events: [NewEvent] = []
        var purchases: [NewPurchase] = []
        for (index, event) in tracked {
            switch event {
            case .event(let name, let time, let properties):
                events.append(
                    NewEvent(userNumber: numbers[index], name: name, occurredAt: time, properties: properties))
            case .purchase(let product, let currency, let price, let quantity, let time, let properties):
                purchases.append(
                    NewPurchase(
                        userNumber: numbers[index], productID: product, currency: currency, price: price,
                        quantity: quantity, occurredAt: time, properties: properties))
            }
        }
        try append(events, purchases)
    }
}
