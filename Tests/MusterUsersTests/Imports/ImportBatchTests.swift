import MusterProtocol
import MusterSets
import MusterUsers
import Testing

@Suite struct ImportBatchTests {
    /// `u-1` is user 1, and so on; device `d-9` is one of an identified user.
    private func resolved(_ changes: [CohortChange]) -> ImportBatch {
        var batch = ImportBatch(changes)
        let (userIDs, positions) = batch.userIDs.sorted()
        for (id, position) in zip(userIDs, positions) {
            guard let number = UInt32("\(id.text.dropFirst(2))") else { continue }
            batch.resolve(position: position, as: .user(UserNumber(rawValue: number)))
        }
        for position in batch.deviceIDs.sorted().positions { batch.resolve(position: position, as: .identifiedDevice) }
        return batch
    }

    @Test func theLastOccurrenceOfAUserDecides() {
        let batch = resolved([.adding(userIDs: ["u-1", "u-2", "u-1"]), .removing(userIDs: ["u-2", "u-3"])])
        let change = batch.requestedChange
        #expect(change.adding == [1])
        #expect(change.removing == [2, 3])
        let outcomes = batch.outcomes(of: change, added: [1], removed: [3])
        #expect(
            outcomes == [
                .init(.repeated, 2), .init(.added, 1), .init(.unchanged, 1), .init(.removed, 1),
            ])
    }

    @Test func everyIdentifierHasItsOutcomeAtItsPosition() {
        let batch = resolved([
            .adding(
                userIDs: ["u-1", "", "u-x"], deviceIDs: ["d-9", "a\nb"],
                aliases: [Alias(label: "crm", name: "1"), Alias(label: "", name: "1")]),
            .removing(userIDs: ["u-5"]),
        ])
        let change = batch.requestedChange
        #expect(
            batch.outcomes(of: change, added: [1], removed: []) == [
                .init(.added, 1), .init(.invalid, 1), .init(.unknown, 1), .init(.identifiedDevice, 1),
                .init(.invalid, 1), .init(.unknown, 1), .init(.invalid, 1), .init(.unchanged, 1),
            ])
        #expect(batch.count == 8)
    }

    @Test func anAliasLabelHas256BytesAtMostAndItsName1024() {
        func text(_ count: Int) -> Identifier { Identifier(String(repeating: "x", count: count)) }
        let aliases = [
            Alias(label: text(256), name: text(1_024)), Alias(label: text(257), name: "1"),
            Alias(label: "crm", name: text(1_025)), Alias(label: "c\nrm", name: "1"), Alias(label: "crm", name: "1\n"),
        ]
        let batch = ImportBatch([.adding(aliases: aliases)])
        #expect(batch.aliases == [aliases[0]])
        #expect(
            batch.outcomes(of: batch.requestedChange, added: [], removed: []) == [
                .init(.unknown, 1), .init(.invalid, 4),
            ])
    }

    @Test func identifiersAreSortedByBytesAndKeepTheirPositions() {
        let batch = ImportBatch([.adding(userIDs: ["b", "ab", "", "é", "a"])])
        let (list, positions) = batch.userIDs.sorted()
        #expect(Array(list) == ["a", "ab", "b", "é"])
        #expect(positions == [4, 1, 0, 3])
    }

    @Test func anImportOfNothingChangesNothing() {
        let batch = ImportBatch([])
        #expect(batch.count == 0)
        #expect(batch.requestedChange.adding.isEmpty)
        #expect(batch.outcomes(of: batch.requestedChange, added: [], removed: []).isEmpty)
    }
}
