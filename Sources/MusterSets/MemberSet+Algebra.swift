extension MemberSet {
    /// The numbers that are in either set.
    public func union(_ other: MemberSet) -> MemberSet {
        var result = self
        result.formUnion(other)
        return result
    }

    /// The numbers that are in both sets.
    public func intersection(_ other: MemberSet) -> MemberSet {
        // Iterate over the set with fewer containers: often one has a few users and the other has all of them.
        guard keys.count <= other.keys.count else { return other.intersection(self) }
        var result = MemberSet()
        Scratch.with { scratch in
            for (key, container) in zip(keys, containers) {
                guard let theirs = other.container(of: key) else { continue }
                guard let common = container.combined(.intersection, with: theirs, using: scratch) else { continue }
                result.append(common, key: key)
            }
        }
        return result
    }

    /// The numbers of this set that are not in the other.
    public func subtracting(_ other: MemberSet) -> MemberSet {
        var result = MemberSet()
        Scratch.with { scratch in
            for (key, container) in zip(keys, containers) {
                let rest =
                    other.container(of: key).map { container.combined(.difference, with: $0, using: scratch) }
                    ?? container
                if let rest { result.append(rest, key: key) }
            }
        }
        return result
    }

    /// Adds the numbers of the other set.
    public mutating func formUnion(_ other: MemberSet) {
        makeRoom(for: other.keys)
        Scratch.with { scratch in
            for (key, container) in zip(other.keys, other.containers) {
                let index = index(of: key).index
                count -= containers[index].count
                if containers[index].isNone {
                    containers[index] = container
                } else {
                    containers[index].form(.union, with: container, using: scratch)
                }
                count += containers[index].count
            }
        }
    }

    /// Removes the numbers of the other set.
    public mutating func subtract(_ other: MemberSet) {
        var emptied = false
        Scratch.with { scratch in
            for (key, container) in zip(other.keys, other.containers) {
                let (index, isFound) = index(of: key)
                if !isFound { continue }
                count -= containers[index].count
                containers[index].form(.difference, with: container, using: scratch)
                count += containers[index].count
                emptied = emptied || containers[index].isNone
            }
        }
        if emptied { dropEmptied() }
    }

    /// Puts `none` where the other set has a container and this one has none.
    private mutating func makeRoom(for others: [UInt16]) {
        let missing = others.filter { !index(of: $0).isFound }
        if missing.isEmpty { return }
        let (oldKeys, oldContainers) = (keys, containers)
        keys = []
        containers = []
        keys.reserveCapacity(oldKeys.count + missing.count)
        containers.reserveCapacity(oldKeys.count + missing.count)
        var next = 0
        for (key, container) in zip(oldKeys, oldContainers) {
            while next < missing.count, missing[next] < key { appendRoom(missing[next], &next) }
            keys.append(key)
            containers.append(container)
        }
        while next < missing.count { appendRoom(missing[next], &next) }
    }

    private mutating func appendRoom(_ key: UInt16, _ next: inout Int) {
        keys.append(key)
        containers.append(.none)
        next += 1
    }

    private mutating func dropEmptied() {
        let kept = containers.indices.filter { !containers[$0].isNone }
        keys = kept.map { keys[$0] }
        containers = kept.map { containers[$0] }
    }
}

// MARK: - Changes

extension MemberSet {
    /// Splits a requested change (no number in both parts) into the numbers that it really adds and removes.
    ///
    /// Only an effective change can be inverted: `apply(added: a, removed: r)` is undone by `apply(added: r, removed:
    /// a)`.
    public func effectiveChange(adding: MemberSet, removing: MemberSet) -> (added: MemberSet, removed: MemberSet) {
        (adding.subtracting(self), removing.intersection(self))
    }

    /// Applies a change. A number in both parts is in the set afterwards.
    public mutating func apply(added: MemberSet, removed: MemberSet) {
        subtract(removed)
        formUnion(added)
    }
}
