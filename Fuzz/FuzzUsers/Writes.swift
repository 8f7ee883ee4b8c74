import MusterProtocol
import MusterUsers

/// Applied once, every entry has a result. Applied again, the batch makes nobody.
func checkUpsert(_ batch: UpsertBatch, in workspace: inout MemoryWorkspace) {
    for isRepeat in [false, true] {
        let plan = checkedPlan(of: batch.entries.filter { $0.refusal == nil }, batch.identifiers, in: workspace) {
            users, holders in
            must { try UpsertPlan(batch.entries, users: users, holders: holders) }
        } sameness: {
            ($0.results, $0.users)
        }
        precondition(plan.results.count == batch.entries.count, "an entry has no result")
        let reply = UpsertUsers.Reply(results: plan.results)
        precondition(
            reply.created + reply.updated + reply.unchanged + reply.refused == batch.entries.count,
            "the counts don't add up to the entries")
        precondition(plan.results.allSatisfy { ($0.outcome == .refused) == ($0.reason != nil) })
        precondition(reply.created == plan.users.count { $0.number == nil }, "somebody is made by no entry")
        precondition(!isRepeat || reply.created == 0, "a repeat makes a user")
        workspace.apply(plan.users)
    }
}

/// Each object is processed or has one error, and what is stored can be stored.
func checkTrack(_ call: TrackUsers, in workspace: inout MemoryWorkspace) {
    let batch = TrackBatch(call)
    let plan = checkedPlan(of: batch.objects, batch.identifiers, in: workspace) {
        users, holders in
        must { try TrackPlan(batch.objects, users: users, holders: holders) }
    } sameness: {
        ($0.errors.objects + $0.errors.fields, $0.users)
    }
    precondition(plan.events.allSatisfy { plan.users.indices.contains($0.index) }, "an event of nobody")
    for (_, event) in plan.events { checkEvent(event) }
    let reply = batch.reply(with: plan.errors)
    for (array, sent, processed) in [
        (TrackedArray.attributes, call.attributes, reply.attributesProcessed),
        (.events, call.events, reply.eventsProcessed), (.purchases, call.purchases, reply.purchasesProcessed),
    ] {
        let errors = reply.errors.filter { $0.inputArray == array }
        let refused = Set(errors.map(\.index))
        let count = sent?.count ?? 0
        precondition(refused.allSatisfy((0..<count).contains), "an error of no object")
        precondition((sent == nil) == (processed == nil), "an array is counted that was not sent")
        precondition((count - refused.count...count).contains(processed ?? 0), "an object is neither good nor bad")
    }
    workspace.apply(plan.users)
}

func checkEvent(_ event: TrackedEvent) {
    switch event {
    case .event(let name, let time, let properties):
        precondition(name.problem() == nil && time <= .latest && time >= .earliest)
        checkProperties(properties)
    case .purchase(let product, let currency, let price, let quantity, let time, let properties):
        let purchase = NewPurchase(
            userNumber: 0, productID: product, currency: currency, price: price, quantity: quantity, occurredAt: time)
        precondition(product.problem() == nil && time <= .latest && time >= .earliest)
        precondition(currency.utf8.count == 3 && currency == currency.uppercased())
        precondition(purchase.amount != nil, "a purchase can't be stored")
        checkProperties(properties)
    }
}

func checkProperties(_ properties: RawJSON?) {
    guard let properties else { return }
    precondition(properties.bytes.count <= Limits.attributesBytes.value)
    _ = must { try Attributes(stored: properties.bytes) }
}

/// A plan is the same in whatever order users are read, and whether all of them is read or what is asked for.
func checkedPlan<Plan, Results: Equatable>(
    of entries: [some BatchEntry], _ identifiers: [UserReference], in workspace: MemoryWorkspace,
    _ plan: ([PlannedUser], [UserReference: Int]) -> Plan,
    sameness: (Plan) -> (results: Results, users: [PlannedUser])
) -> Plan {
    let findings = UpsertFindings(identifiers, identifiers.map(workspace.find))
    let fields = FieldsToRead(entries, findings)
    let (users, holders) = workspace.users(fields, findings)
    let (all, others) = workspace.everyone(findings)
    let first = plan(users, holders)
    let second = plan(all, others)
    let (one, other) = (sameness(first), sameness(second))
    precondition(one.results == other.results, "what is read makes a difference")
    precondition(changes(one.users) == changes(other.users), "what is read changes what is written")
    return first
}

/// What a plan writes, without regard to the order of users and attributes.
private func changes(_ users: [PlannedUser]) -> Set<UserChange> {
    Set(users.enumerated().filter { $1.isChanged || $1.number == nil }.map { UserChange($1) })
}

private struct UserChange: Hashable {
    let number: UserNumber?
    let externalID: Identifier?
    let attributes: [[UInt8]: [UInt8]]?
    let aliases: [Alias]
    let devices: [Identifier]

    init(_ user: PlannedUser) {
        (number, externalID) = (user.number, user.externalID)
        attributes = user.changedAttributes.map { json in
            must { try Attributes(stored: json).byName }.mapValues(\.comparisonKey)
        }
        (aliases, devices) = (user.newAliases, user.newDevices)
    }
}

extension AttributeValue {
    /// The same bytes for equal values.
    fileprivate var comparisonKey: [UInt8] {
        if case .other(let json) = self { return json.comparisonKey }
        return must { try JSONEncoding.encode(Attributes([.init(name: [], value: self)])) }
    }
}
