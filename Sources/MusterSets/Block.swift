/// The members of one block of 2^16 numbers, by the low 16 bits of each.
///
/// The two shapes are Roaring's: up to 4,096 values an ascending list is smaller than the bitset of 8 KiB, above it never is. A block
/// is always in the shape that its count demands and never empty, so that equal sets have equal blocks.
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

// MARK: - From what a kernel left behind

extension Block {
    /// The block of a list or bitset; nil when it has no members.
    init?(copying view: BlockView) {
        switch view {
        case .list(let values):
            if values.isEmpty { return nil }
            self = .list(Array(values))
        case .words(let words):
            self.init(copying: words, count: Words.count(words))
        }
    }

    /// The block of a bitset with `count` bits set; nil when that is none.
    init?(copying words: UnsafePointer<UInt64>, count: Int) {
        if count == 0 { return nil }
        if count > Self.listLimit {
            self = .words(Array(UnsafeBufferPointer(start: words, count: Self.wordCount)), count: count)
        } else {
            self = .list(
                [UInt16](unsafeUninitializedCapacity: count) { buffer, initialized in
                    // The words hold `count` values, which is the room there is.
                    initialized = Words.list(words, into: buffer.baseAddress!)
                })
        }
    }
}

// MARK: - Changes in place

extension Block {
    /// Stands where a block has been taken out or is to come; never left in a set.
    static let none = Block.list([])

    var isNone: Bool { self == .none }

    /// False when it was there already.
    mutating func insert(_ value: UInt16) -> Bool {
        guard case .list(var values) = self else {
            return changeWords { words in Words.insert(value, into: words) } == 1
        }
        let place = values.withUnsafeBufferPointer { Lists.lowerBound(of: value, in: $0) }
        if place < values.count, values[place] == value { return false }
        self = .none  // Now `values` is the only owner, and is not copied.
        values.insert(value, at: place)
        self = values.count > Self.listLimit ? .words(of: values) : .list(values)
        return true
    }

    /// False when it was not there; true may leave `none`.
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

    /// Combines this block with another one, in place where a list changes a bitset; may leave `none`.
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

    /// Nil when nothing is left.
    func combined(_ operation: SetOperation, with other: Block, using scratch: Scratch) -> Block? {
        let filling = withView { mine in
            other.withView { theirs in combine(operation, mine, theirs, into: scratch) }
        }
        return Block(copying: scratch.view(filling))
    }

    /// `body` changes a bitset and returns by how many members it grew, which is returned.
    private mutating func changeWords(_ body: (UnsafeMutablePointer<UInt64>) -> Int) -> Int {
        guard case .words(var words, let count) = self else { preconditionFailure("not a bitset") }
        self = .none  // Now `words` is the only owner, and is not copied.
        let growth = words.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
        if count + growth > Self.listLimit {
            self = .words(words, count: count + growth)
        } else {
            self = words.withUnsafeBufferPointer { Block(copying: $0.baseAddress!, count: count + growth) } ?? .none
        }
        return growth
    }

    /// A bitset of more than 4,096 different values.
    static func words(of values: [UInt16]) -> Block {
        var words = [UInt64](repeating: 0, count: wordCount)
        let count = values.withUnsafeBufferPointer { values in
            words.withUnsafeMutableBufferPointer { Words.insert(values, into: $0.baseAddress!) }
        }
        return .words(words, count: count)
    }
}
