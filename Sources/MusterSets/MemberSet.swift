/// A set of user numbers: a cohort, all users, or a frozen audience.
///
/// Its memory layout is Roaring's (https://roaringbitmap.org): one container per range of 2^16 numbers that has
/// members, each an ascending array of up to 4,096 values or a bitset of 8 KiB. It is a value: copies share containers,
/// and a change copies only the containers that it changes.
public struct MemberSet: Sendable, Equatable {
    /// The high 16 bits of the numbers in each container, ascending.
    var keys: [UInt16] = []
    /// One container per key, at the same index; never `none`.
    var containers: [Container] = []
    /// The number of members.
    public internal(set) var count = 0

    /// An empty set.
    public init() {}

    /// Whether the set is empty.
    public var isEmpty: Bool { keys.isEmpty }

    /// The lowest number; nil when the set is empty.
    public var min: UInt32? { members(after: nil, limit: 1).first }

    /// The highest number; nil when the set is empty.
    public var max: UInt32? {
        guard let key = keys.last, let container = containers.last else { return nil }
        return UInt32(key) << 16 | UInt32(container.max)
    }

    /// Bytes of memory that the set takes, without what copies share. Caches count it.
    public var byteCount: Int {
        let entry = MemoryLayout<UInt16>.stride + MemoryLayout<Container>.stride
        return containers.reduce(keys.count * entry) { $0 + $1.byteCount }
    }

    /// Whether a number is in the set; about 10 ns.
    public func contains(_ number: UInt32) -> Bool {
        let (index, isFound) = index(of: UInt16(number >> 16))
        return isFound && containers[index].contains(UInt16(truncatingIfNeeded: number))
    }

    /// Adds a number; returns false when it was a member.
    @discardableResult
    public mutating func insert(_ number: UInt32) -> Bool {
        let key = UInt16(number >> 16)
        let value = UInt16(truncatingIfNeeded: number)
        let (index, isFound) = index(of: key)
        if isFound {
            if !containers[index].insert(value) { return false }
        } else {
            keys.insert(key, at: index)
            containers.insert(.array([value]), at: index)
        }
        count += 1
        return true
    }

    /// Removes a number; returns false when it was not a member.
    @discardableResult
    public mutating func remove(_ number: UInt32) -> Bool {
        let (index, isFound) = index(of: UInt16(number >> 16))
        guard isFound, containers[index].remove(UInt16(truncatingIfNeeded: number)) else { return false }
        if containers[index].isNone {
            keys.remove(at: index)
            containers.remove(at: index)
        }
        count -= 1
        return true
    }
}

extension MemberSet {
    /// The index of a key's container, or the index at which to insert it.
    func index(of key: UInt16) -> (index: Int, isFound: Bool) {
        // Keys are distinct and ascend from 0 or more, so a key's index never exceeds the key; in a set without gaps it
        // equals it.
        var high = Int(key)
        if high >= keys.count { high = keys.count } else if keys[high] == key { return (high, true) }
        var low = 0
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return (low, low < keys.count && keys[low] == key)
    }

    func container(of key: UInt16) -> Container? {
        let (index, isFound) = index(of: key)
        return isFound ? containers[index] : nil
    }

    /// Appends a container; its key must be above all others.
    mutating func append(_ container: Container, key: UInt16) {
        keys.append(key)
        containers.append(container)
        count += container.count
    }
}
