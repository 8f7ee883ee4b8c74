/// The members of a set within one range of 2^16 numbers, as the low 16 bits of each.
///
/// The two forms are Roaring's. Up to 4,096 values, an ascending array is smaller than the bitset of 8 KiB; above that,
/// never. The member count alone decides the form, and a container is never empty, so equal sets have equal containers.
enum Block: Sendable, Equatable {
    /// 1 to 4,096 values, ascending.
    case list([UInt16])
    /// 1,024 words with 4,097 to 65,536 bits set; value v is bit v % 64 of word v / 64.
    case words([UInt64], count: Int)

    static let wordCount = 1024
    static let byteCount = 8192
    static let listLimit = 4096
    static let fullCount = 65536

    var count: Int {
        switch self {
        case .list(let values): values.count
        case .words(_, let count): count
        }
    }

    /// Bytes of memory, with the array's header of 32 bytes.
    var byteCount: Int {
        switch self {
        case .list(let values): 32 + 2 * values.capacity
        case .words: 32 + Self.byteCount
        }
    }

    var max: UInt16 {
        switch self {
        case .list(let values):
            return values[values.count - 1]
        case .words(let words, _):
            let last = words.lastIndex { $0 != 0 }!  // There are more than 4,096 bits.
            return UInt16(last << 6 + 63 - words[last].leadingZeroBitCount)
        }
    }

    func contains(_ value: UInt16) -> Bool {
        switch self {
        case .list(let values):
            let place = values.withUnsafeBufferPointer { Lists.lowerBound(of: value, in: $0) }
            return place < values.count && values[place] == value
        case .words(let words, _):
            return words[Int(value >> 6)] >> UInt64(value & 63) & 1 == 1
        }
    }

    func withView<Result>(_ body: (BlockView) -> Result) -> Result {
        switch self {
        case .list(let values): values.withUnsafeBufferPointer { body(.list($0)) }
        // An array of 1,024 words has a base address.
        case .words(let words, _): words.withUnsafeBufferPointer { body(.words($0.baseAddress!)) }
        }
    }
}

// MARK: - From the result of an operation

extension Block {
    /// Copies an array or bitset; nil when it has no members.
    init?(copying view: BlockView) {
        switch view {
        case .list(let values):
            if values.isEmpty { return nil }
            self = .list(Array(values))
        case .words(let words):
            self.init(copying: words, count: Words.count(words))
        }
    }

    /// Copies a bitset with `count` bits set; nil when `count` is 0.
    init?(copying words: UnsafePointer<UInt64>, count: Int) {
        if count == 0 { return nil }
        if count > Self.listLimit {
            self = .words(Array(UnsafeBufferPointer(start: words, count: Self.wordCount)), count: count)
        } else {
            self = .list(
                [UInt16](unsafeUninitializedCapacity: count) { buffer, initialized in
                    // The bitset has `count` bits set, which is the capacity of this array.
                    initialized = Words.list(words, into: buffer.baseAddress!)
                })
        }
    }
}

// MARK: - Changes in place

extension Block {
    /// A placeholder for a container that is taken out or about to be filled; a set never keeps it.
    static let none = Block.list([])

    var isNone: Bool { self == .none }

    /// Returns false when the value was present.
    mutating func insert(_ value: UInt16) -> Bool {
        guard case .list(var values) = self else {
            return changeWords { words in Words.insert(value, into: words) } == 1
        }
        let place = values.withUnsafeBufferPointer { Lists.lowerBound(of: value, in: $0) }
        if place < values.count, values[place] == value { return false }
        self = .none  // From here on `values` is the only owner, so nothing is copied.
        values.insert(value, at: place)
        self = values.count > Self.listLimit ? .words(of: values) : .list(values)
        return true
    }

    /// Returns false when the value was not present; leaves `none` when it was the last one.
    mutating func remove(_ value: UInt16) -> Bool {
        guard case .list(var values) = self else {
            return changeWords { words in -Words.remove(value, from: words) } == -1
        }
        let place = values.withUnsafeBufferPointer { Lists.lowerBound(of: value, in: $0) }
        if place == values.count || values[place] != value { return false }
        self = .none
        values.remove(at: place)
        self = .list(values)
        return true
    }

    /// Combines this container with another one; changes a bitset in place when the other is an array. May leave
    /// `none`.
    mutating func form(_ operation: SetOperation, with other: Block, using scratch: Scratch) {
        if case .words = self, case .list(let values) = other, operation != .intersection {
            values.withUnsafeBufferPointer { values in
                _ = changeWords { words in
                    operation == .union ? Words.insert(values, into: words) : -Words.remove(values, from: words)
                }
            }
        } else {
            self = combined(operation, with: other, using: scratch) ?? .none
        }
    }

    /// Returns nil when the result is empty.
    func combined(_ operation: SetOperation, with other: Block, using scratch: Scratch) -> Block? {
        let filling = withView { mine in
            other.withView { theirs in combine(operation, mine, theirs, into: scratch) }
        }
        return Block(copying: scratch.view(filling))
    }

    /// Calls `body` with the bitset and returns its result: the number of members that the bitset gained.
    private mutating func changeWords(_ body: (UnsafeMutablePointer<UInt64>) -> Int) -> Int {
        guard case .words(var words, let count) = self else { preconditionFailure("not a bitset") }
        self = .none  // From here on `words` is the only owner, so nothing is copied.
        let growth = words.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
        if count + growth > Self.listLimit {
            self = .words(words, count: count + growth)
        } else {
            self = words.withUnsafeBufferPointer { Block(copying: $0.baseAddress!, count: count + growth) } ?? .none
        }
        return growth
    }

    /// A bitset of more than 4,096 distinct values.
    static func words(of values: [UInt16]) -> Block {
        var words = [UInt64](repeating: 0, count: wordCount)
        let count = values.withUnsafeBufferPointer { values in
            words.withUnsafeMutableBufferPointer { Words.insert(values, into: $0.baseAddress!) }
        }
        return .words(words, count: count)
    }
}
