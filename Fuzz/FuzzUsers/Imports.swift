import MusterProtocol
import MusterSets
import MusterUsers

/// Every identifier has one outcome, the outcomes say how the set changed, and a repeat changes nothing. The set is
/// as if the identifiers had been applied one by one.
func checkImport(_ changes: [CohortChange], in workspace: MemoryWorkspace) {
    var members: MemberSet = [1, 3]
    let expected = MemberSet(users: Array(applied(changes, to: Set(members.users), in: workspace)))
    for isRepeat in [false, true] {
        var batch = ImportBatch(changes)
        resolve(&batch, in: workspace)
        let change = batch.requestedChange
        precondition(change.adding.intersection(change.removing).isEmpty, "a user is added and removed")
        let (added, removed) = members.effectiveChange(adding: change.adding, removing: change.removing)
        precondition(!isRepeat || (added.isEmpty && removed.isEmpty), "a repeat changes the set")
        let outcomes = batch.outcomes(of: change, added: added, removed: removed)
        let receipt = Receipt(outcomes)
        precondition(receipt.received == changes.reduce(0) { $0 + $1.identifierCount }, "an identifier has no outcome")
        precondition(receipt.received == batch.count, "an identifier was not counted")
        precondition(Outcome.allCases.reduce(0) { $0 + receipt[$1] } == receipt.received, "the counts don't add up")
        precondition(receipt.added == added.count && receipt.removed == removed.count, "the receipt is not of the set")
        precondition(OutcomeCoding.decode(OutcomeCoding.encode(outcomes)) == outcomes, "outcomes read otherwise")
        let shape = changes.map(ChangeShape.init)
        precondition(OutcomeCoding.decodeShape(OutcomeCoding.encode(shape)) == shape, "a shape reads otherwise")
        members.apply(added: added, removed: removed)
        precondition(members == expected, "the set is not what the identifiers say one by one")
    }
}

private func applied(
    _ changes: [CohortChange], to members: Set<UserNumber>, in workspace: MemoryWorkspace
) -> Set<UserNumber> {
    var members = members
    for change in changes {
        let devices = change.deviceIDs.map(UserReference.deviceID).filter { device in
            workspace.find(device).map { !workspace.isIdentified($0) } ?? false
        }
        let references =
            change.userIDs.map(UserReference.externalID) + devices + change.aliases.map(UserReference.alias)
        for user in references.compactMap(workspace.find) {
            if change.shouldRemove { members.remove(user) } else { members.insert(user) }
        }
    }
    return members
}

private func resolve(_ batch: inout ImportBatch, in workspace: MemoryWorkspace) {
    let (userIDs, userPositions) = batch.userIDs.sorted()
    for (id, position) in zip(userIDs, userPositions) {
        guard let number = workspace.find(.externalID(id)) else { continue }
        batch.resolve(position: position, as: .user(number))
    }
    let (devices, devicePositions) = batch.deviceIDs.sorted()
    for (id, position) in zip(devices, devicePositions) {
        guard let number = workspace.find(.deviceID(id)) else { continue }
        batch.resolve(
            position: position, as: workspace.isIdentified(number) ? .identifiedDevice : .user(number))
    }
    for (alias, position) in zip(batch.aliases, batch.aliasPositions) {
        guard let number = workspace.find(.alias(alias)) else { continue }
        batch.resolve(position: position, as: .user(number))
    }
}

/// Any bytes as what a table has: refused, or read again as the same once it is written.
func checkStoredOutcomes(_ bytes: [UInt8]) {
    if let outcomes = OutcomeCoding.decode(bytes) {
        precondition(OutcomeCoding.decode(OutcomeCoding.encode(outcomes)) == outcomes, "outcomes read otherwise")
    }
    if let shape = OutcomeCoding.decodeShape(bytes) {
        precondition(OutcomeCoding.decodeShape(OutcomeCoding.encode(shape)) == shape, "a shape reads otherwise")
    }
}

/// The stored form of an address or number stays as it is.
func checkContacts(_ text: Identifier) {
    for kind in [ContactKind.email, .phone] {
        let normalized = kind.normalized(text)
        precondition(kind.normalized(normalized) == normalized, "the stored form has another stored form")
        guard let kept = kind.normalized(.string(text.bytes)) else { continue }
        precondition(kept == .string(normalized.bytes), "an attribute is stored in another form than it is found by")
    }
}

/// Leaves over events have a test at any time of asking.
func checkFilter(_ filter: Filter) {
    filter.forEachNode { node, _ in
        let leaf: EventLeaf
        switch node {
        case .event(let event): leaf = .event(event)
        case .purchase(let purchase): leaf = .purchase(purchase)
        default: return
        }
        for now in [Instant.earliest, Instant(microseconds: 0), .latest] {
            let test = EventTest(leaf, now: now)
            // The window moves with the time of asking; what holds of users without events does not.
            precondition(test.passesWithoutAny == leaf.passesWithoutAny, "the time of asking changes the test")
            _ = (test.count.contains(1), test.total.contains(.max), test.total.contains(.min))
        }
    }
}
