import MusterHandlers
import MusterProtocol
import MusterTestSupport
import MusterUsers
import TestSupport

@testable import MusterStore

/// What a user did: an event, or a purchase where there is a price.
struct TrackedEvent {
    var user: Identifier
    var name: Identifier
    var time: Instant
    var price: Double?
    var currency = "USD"
    var quantity = 1

    static func event(_ user: Identifier, _ name: Identifier, _ time: String) -> TrackedEvent {
        TrackedEvent(user: user, name: name, time: .at(time))
    }

    static func purchase(
        _ user: Identifier, _ product: Identifier, _ price: Double, _ time: String, currency: String = "USD",
        quantity: Int = 1
    ) -> TrackedEvent {
        TrackedEvent(user: user, name: product, time: .at(time), price: price, currency: currency, quantity: quantity)
    }
}

extension Instant {
    static func at(_ text: String) -> Instant { Instant(iso8601: text.utf8) ?? Instant(microseconds: 0) }

    func earlier(seconds: Double) -> Instant { Instant(microseconds: microseconds - Int64(seconds * 1_000_000)) }
}

extension TestServer {
    /// Appends as `users.track` does: users resolved under the head of identity, then the head of events.
    func append(_ deeds: [TrackedEvent]) async throws {
        let workspace = workspace.id
        try await store.in(workspace).transaction { connection in
            try connection.shareIdentity()
            let numbers = try connection.find(deeds.map { .externalID($0.user) })
            var events: [NewEvent] = []
            var purchases: [NewPurchase] = []
            for (deed, number) in zip(deeds, numbers) {
                guard let number else { throw UnvalidatedEvent() }
                if let price = deed.price {
                    purchases.append(
                        NewPurchase(
                            userNumber: number, productID: deed.name, currency: deed.currency, price: price,
                            quantity: deed.quantity, occurredAt: deed.time))
                } else {
                    events.append(NewEvent(userNumber: number, name: deed.name, occurredAt: deed.time))
                }
            }
            try connection.append(events, purchases)
        }
    }
}

extension MusterUnderTest {
    /// The members of a filter in order, after proving that its size and the check of each of `users` say the same.
    func agreedMembers(of filter: Filter, among users: [Identifier], pageSize: Int = 3) async throws -> [Identifier] {
        let members = try await members(of: filter, pageSize: pageSize)
        let size = try await send(SizeSegment(filter: filter)).size
        let id = Identifier("agreed")
        if try await send(ListSegments()).segments.contains(where: { $0.segmentID == id }) {
            _ = try await send(UpdateSegment(segmentID: id, filter: filter))
        } else {
            _ = try await send(CreateSegment(segmentID: id, name: "x", filter: filter))
        }
        let check = try await send(CheckSegments(users: users.map(UserReference.externalID), segments: [id]))
        let checked = zip(users, check.results).compactMap { user, result in result.in == [true] ? user : nil }
        guard size == members.count, Set(checked) == Set(members), members.count == checked.count else {
            throw Disagreement(members: members, size: size, checked: checked)
        }
        return members.sorted()
    }
}

/// Three ways to ask that gave different answers.
struct Disagreement: Error {
    let members: [Identifier]
    let size: Int
    let checked: [Identifier]
}
