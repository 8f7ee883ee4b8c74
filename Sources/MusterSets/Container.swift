/// The members of a set within one range of 2^16 numbers, as the low 16 bits of each.
///
/// The two forms are Roaring's. Up to 4,096 values, an ascending array is smaller than the bitset of 8 KiB; above that,
/// never. The member count alone decides the form, and a container is never empty, so equal sets have equal containers.
enum Container: Sendable, Equatable {
    /// 1 to 4,096 values, ascending.
    case array([UInt16])
    /// 1,024 words with 4,097 to 65,536 bits set; value v is bit v % 64 of word v / 64.
    case bitset([UInt64], count: Int)

    static let wordCount = 1024
    static let byteCount = 8192
    static let arrayLimit = 4096
    static let fullCount = 65536

    var count: Int {
        switch self {
        case .array(let values): values.count
        case .bitset(_, let count): count
        }
    }

    /// Bytes of memory, with the array's header of 32 bytes.
    var byteCount: Int {
        switch self {
        case .array(let values): 32 + 2 * values.capacity
        case .bitset: 32 + Self.byteCount
        }
    }

    var max: UInt16 {
        switch self {
        case .array(let values):
            return values[values.count - 1]
        case .bitset(let words, _):
            let last = words.lastIndex { $0 != 0 }!  // There are more than 4,096 bits.
            return UInt16(last << 6 + 63 - words[last].leadingZeroBitCount)
        }
    }

    func contains(_ value: UInt16) -> Bool {
        switch self {
        case .array(let values):
            let index = values.withUnsafeBufferPointer { ArrayContainer.lowerBound(of: value, in: $0) }
            return index < values.count && values[index] == value
        case .bitset(let words, _):
            return words[Int(value >> 6)] >> UInt64(value & 63) & 1 == 1
        }
    }

    func withView<Result>(_ body: (ContainerView) -> Result) -> Result {
        switch self {
        case .array(let values): values.withUnsafeBufferPointer { body(.array($0)) }
        // An array of 1,024 words has a base address.
        case .bitset(let words, _): words.withUnsafeBufferPointer { body(.bitset($0.baseAddress!)) }
        }
    }
}

// MARK: - From the result of an operation

extension Container {
    /// Copies an array or bitset; nil when it has no members.
    init?(copying view: ContainerView) {
        switch view {
        case .array(let values):
            if values.isEmpty { return nil }
            self = .array(Array(values))
        case .bitset(let words):
            self.init(copying: words, count: Bitset.count(words))
        }
    }

    /// Copies a bitset with `count` bits set; nil when `count` is 0.
    init?(copying words: UnsafePointer<UInt64>, count: Int) {
        if count == 0 { return nil }
        if count > Self.arrayLimit {
            self = .bitset(Array(UnsafeBufferPointer(start: words, count: Self.wordCount)), count: count)
        } else {
            self = .array(
                [UInt16](unsafeUninitializedCapacity: count) { buffer, initialized in
                    // The bitset has `count` bits set, which is the capacity of this array.
                    initialized = Bitset.array(words, into: buffer.baseAddress!)
                })
        }
    }
}

// MARK: - Changes in place

extension Container {
    /// A placeholder for a container that is taken out or about to be filled; a set never keeps it.
    static let none = Container.array([])

    var isNone: Bool { self == .none }

    /// Returns false when the value was present.
    mutating func insert(_ value: UInt16) -> Bool {
        guard case .array(var values) = self else {
            return changeBitset { words in Bitset.insert(value, into: words) } == 1
        }
        let index = values.withUnsafeBufferPointer { ArrayContainer.lowerBound(of: value, in: $0) }
        if index < values.count, values[index] == value { return false }
        self = .none  // From here on `values` is the only owner, so nothing is copied.
        values.insert(value, at: index)
        self = values.count > Self.arrayLimit ? .bitset(of: values) : .array(values)
        return true
    }

    /// Returns false when the value was not present; leaves `none` when it was the last one.
    mutating func remove(_ value: UInt16) -> Bool {
        guard case .array(var values) = self else {
            return changeBitset { words in -Bitset.remove(value, from: words) } == -1
        }
        let index = values.withUnsafeBufferPointer { ArrayContainer.lowerBound(of: value, in: $0) }
        if index == values.count || values[index] != value { return false }
        self = .none
        values.remove(at: index)
        self = .array(values)
        return true
    }

    /// Combines this container with another one; changes a bitset in place when the other is an array. May leave
    /// `none`.
    mutating func form(_ operation: SetOperation, with other: Container, using scratch: Scratch) {
        if case .bitset = self, case .array(let values) = other, operation != .intersection {
            values.withUnsafeBufferPointer { values in
                _ = changeBitset { words in
                    operation == .union ? Bitset.insert(values, into: words) : -Bitset.remove(values, from: words)
                }
            }
        } else {
            self = combined(operation, with: other, using: scratch) ?? .none
        }
    }

    /// Returns nil when the result is empty.
    func combined(_ operation: SetOperation, with other: Container, using scratch: Scratch) -> Container? {
        let filling = withView { mine in
            other.withView { theirs in combine(operation, mine, theirs, into: scratch) }
        }
        return Container(copying: scratch.view(filling))
    }

    /// Calls `body` with the bitset and returns its result: the number of members that the bitset gained.
    private mutating func changeBitset(_ body: (UnsafeMutablePointer<UInt64>) -> Int) -> Int {
        guard case .bitset(var words, let count) = self else { preconditionFailure("not a bitset") }
        self = .none  // From here on `words` is the only owner, so nothing is copied.
        let growth = words.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
        if count + growth > Self.arrayLimit {
            self = .bitset(words, count: count + growth)
        } else {
            self = words.withUnsafeBufferPointer { Container(copying: $0.baseAddress!, count: count + growth) } ?? .none
        }
        return growth
    }

    /// A bitset of more than 4,096 distinct values.
    static func bitset(of values: [UInt16]) -> Container {
        var words = [UInt64](repeating: 0, count: wordCount)
        let count = values.withUnsafeBufferPointer { values in
            words.withUnsafeMutableBufferPointer { Bitset.insert(values, into: $0.baseAddress!) }
        }
        return .bitset(words, count: count)
    }
}
