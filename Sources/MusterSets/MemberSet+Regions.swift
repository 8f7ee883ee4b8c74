extension MemberSet {
    /// Divides this set by other sets into 2^n regions and counts their members, which add up to `count`.
    ///
    /// Regions are in the order of binary numbers whose highest digit tells whether a member is in the first set: of
    /// two sets those in neither, in the second only, in the first only, in both.
    public func regionSizes(dividedBy sets: [MemberSet]) -> [Int] { regionSizes(dividedBy: sets[...]) }

    private func regionSizes(dividedBy sets: ArraySlice<MemberSet>) -> [Int] {
        guard let first = sets.first else { return [count] }
        let rest = sets.dropFirst()
        return subtracting(first).regionSizes(dividedBy: rest) + intersection(first).regionSizes(dividedBy: rest)
    }
}
