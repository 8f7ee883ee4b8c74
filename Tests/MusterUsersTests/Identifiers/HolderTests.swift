import MusterProtocol
import MusterUsers
import Testing

/// Each change is made to the result of those before it.
@Suite struct HolderTests {
    @Test func aliasesAreRenamedInOrder() {
        let (a, b) = (Alias(label: "crm", name: "a"), Alias(label: "crm", name: "b"))
        var holders = AliasHolders([a, b], [1, nil])
        let renames: [(Identifier, Identifier)] = [("b", "a"), ("a", "a"), ("a", ""), ("a", "b"), ("a", "b")]
        let outcomes = renames.map { holders.rename(AliasUpdate(label: "crm", oldName: $0, newName: $1)) }
        #expect(outcomes == [.unknown, .unchanged, .invalid, .renamed, .unknown])
        #expect(holders[b] == 1)
        #expect(holders[a] == nil)
    }

    @Test func anAliasOfAnotherUserIsTaken() {
        let (a, b) = (Alias(label: "crm", name: "a"), Alias(label: "crm", name: "b"))
        var holders = AliasHolders([a, b], [1, 2])
        let outcome = holders.rename(AliasUpdate(label: "crm", oldName: "a", newName: "b"))
        #expect(outcome == .taken)
        #expect(holders[a] == 1)
        #expect(holders[b] == 2)
    }

    @Test func aRenamedExternalIDStaysTakenUntilItIsRemoved() {
        var holders = ExternalIDHolders()
        holders.add("a", of: 1, isPrimary: true)
        holders.add("b", of: 2, isPrimary: true)
        holders.add("old", of: 2, isPrimary: false)
        let renames: [(Identifier, Identifier)] = [("a", "b"), ("old", "c"), ("x", "y"), ("a", "c"), ("b", "a")]
        let outcomes = renames.map { holders.rename(ExternalIDRename(current: $0, new: $1)) }
        #expect(outcomes == [.taken, .notPrimary, .unknown, .renamed, .taken])
        #expect(holders.primary == ["b": 2, "c": 1])
        let removals = (["a", "a", "b"] as [Identifier]).map { holders.remove($0) }
        #expect(removals == [.removed, .unknown, .notDeprecated])
        let last = holders.rename(ExternalIDRename(current: "b", new: "a"))
        #expect(last == .renamed)
    }
}
