import MusterSets
import TestSupport
import Testing

@Suite struct AlgebraTests {
    @Test func algebraAgreesWithSwiftsSet() {
        for seed in TestSeed.several(60) {
            var random = SeededRandom(seed: seed)
            let (a, b) = (random.numbers(of: [0, 1, 2, 0xFFFF]), random.numbers(of: [0, 1, 2, 0xFFFF]))
            let (left, right) = (MemberSet(a), MemberSet(b))
            #expect(left.union(right) == MemberSet(a.union(b)), "MUSTER_SEED=\(seed)")
            #expect(left.intersection(right) == MemberSet(a.intersection(b)), "MUSTER_SEED=\(seed)")
            #expect(left.subtracting(right) == MemberSet(a.subtracting(b)), "MUSTER_SEED=\(seed)")
            var changed = left
            changed.subtract(right)
            #expect(changed == left.subtracting(right), "MUSTER_SEED=\(seed)")
            changed.formUnion(right)
            #expect(changed == left.union(right), "MUSTER_SEED=\(seed)")
            #expect(changed.count == a.union(b).count, "MUSTER_SEED=\(seed)")
            #expect(left == MemberSet(a) && right == MemberSet(b), "MUSTER_SEED=\(seed)")
        }
    }

    @Test func anEffectiveChangeIsWhatReallyChangesAndItsOwnInverse() {
        for seed in TestSeed.several(60) {
            var random = SeededRandom(seed: seed)
            let near: [UInt32] = [0, 1, 2]
            let (before, adding) = (MemberSet(random.numbers(of: near)), MemberSet(random.numbers(of: near)))
            let removing = MemberSet(random.numbers(of: near)).subtracting(adding)
            let change = before.effectiveChange(adding: adding, removing: removing)
            #expect(change.added == adding.subtracting(before), "MUSTER_SEED=\(seed)")
            #expect(change.removed == removing.intersection(before), "MUSTER_SEED=\(seed)")
            var set = before
            set.apply(added: change.added, removed: change.removed)
            #expect(set == before.union(adding).subtracting(removing), "MUSTER_SEED=\(seed)")
            #expect(set.count == before.count + change.added.count - change.removed.count, "MUSTER_SEED=\(seed)")
            set.apply(added: change.removed, removed: change.added)
            #expect(set == before, "MUSTER_SEED=\(seed)")
        }
    }

    @Test func chunksSliceASetAndMergingGivesItBack() {
        for seed in TestSeed.several(60) {
            var random = SeededRandom(seed: seed)
            let set = MemberSet(random.numbers())
            let slices = set.chunks.map { (chunk: $0, members: set.members(inChunk: $0)) }
            #expect(slices.allSatisfy { !$0.members.isEmpty }, "MUSTER_SEED=\(seed)")
            for slice in slices {
                let isInside = slice.members.allSatisfy { MemberSet.chunk(of: $0) == slice.chunk }
                #expect(isInside, "MUSTER_SEED=\(seed)")
            }
            #expect(MemberSet(merging: slices.map(\.members)) == set, "MUSTER_SEED=\(seed)")
            #expect(MemberSet(merging: slices.map(\.members).reversed()) == set, "MUSTER_SEED=\(seed)")
        }
        #expect(MemberSet([0xFFFFF, 0x100000]).chunks == [0, 1])
        #expect(MemberSet([5]).members(inChunk: 4096) == [] && MemberSet([5]).members(inChunk: -1) == [])
    }

    @Test func overlappingSetsMergeToTheirUnion() {
        #expect(MemberSet(merging: [[1, 70_000], [], [2, 70_000, 200_000], [3]]) == [1, 2, 3, 70_000, 200_000])
    }

    @Test func chunksThatDifferAreThoseOfTheChangedNumbers() {
        for seed in TestSeed.several(60) {
            var random = SeededRandom(seed: seed)
            let before = MemberSet(random.numbers())
            let change = before.effectiveChange(
                adding: MemberSet(random.numbers(containers: 2)), removing: MemberSet(random.numbers(containers: 2)))
            var after = before
            after.apply(added: change.added, removed: change.removed.subtracting(change.added))
            let expected = Set(change.added.chunks + change.removed.subtracting(change.added).chunks).sorted()
            #expect(after.chunks(differingFrom: before) == expected, "MUSTER_SEED=\(seed)")
            #expect(before.chunks(differingFrom: after) == expected, "MUSTER_SEED=\(seed)")
        }
    }
}
