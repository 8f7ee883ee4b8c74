/// What is done with two blocks; `difference` is what the left one has and the right one has not.
enum SetOperation: Sendable {
    case union, intersection, difference
}

/// The members of a block, wherever they lie, for as long as its owner lends them.
enum BlockView {
    case list(UnsafeBufferPointer<UInt16>)
    case words(UnsafePointer<UInt64>)
}

/// What a scratch block holds.
enum Filling {
    case list(count: Int)
    case words
}

/// 8 KiB of borrowed memory for the result of one operation, 1,024 words or a list of up to 4,096, and another 8 KiB, which many may
/// share, for the work in between.
struct Scratch {
    let base: UnsafeMutableRawPointer
    let helper: UnsafeMutablePointer<UInt64>

    // Binding anew is right here: a result is written whole before it is read, so nothing of the other shape is read after it.
    var words: UnsafeMutablePointer<UInt64> { base.bindMemory(to: UInt64.self, capacity: Block.wordCount) }
    var list: UnsafeMutablePointer<UInt16> { base.bindMemory(to: UInt16.self, capacity: Block.listLimit) }

    func view(_ filling: Filling) -> BlockView {
        switch filling {
        case .list(let count): .list(UnsafeBufferPointer(start: list, count: count))
        case .words: .words(words)
        }
    }

    /// Lends scratch blocks with one helper until `body` returns.
    static func with<Result>(count: Int, _ body: ([Scratch]) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: (count + 1) * Block.byteCount, alignment: 64) { memory in
            // There is room for the helper and `count` more, and each gets its own part.
            let helper = memory.baseAddress!
            return body(
                (1...count).map { part in
                    Scratch(
                        base: helper + part * Block.byteCount,
                        helper: helper.bindMemory(to: UInt64.self, capacity: Block.wordCount))
                })
        }
    }

    /// Lends one.
    static func with<Result>(_ body: (Scratch) -> Result) -> Result {
        with(count: 1) { body($0[0]) }
    }
}

/// Values in two lists together, up to which they are merged.
private let shortLists = 128

/// Combines two blocks into a third place, which must be neither's.
///
/// Lists are merged while they are short. Merging stalls the processor, which can't guess whose turn it is; setting or testing bits never
/// does. So longer lists are spread out into a bitset, and a union of such stays one, even where a list would do.
func combine(_ operation: SetOperation, _ left: BlockView, _ right: BlockView, into target: Scratch) -> Filling {
    switch operation {
    case .union: unite(left, right, into: target)
    case .intersection: intersect(left, right, into: target)
    case .difference: subtract(left, right, into: target)
    }
}

private func unite(_ left: BlockView, _ right: BlockView, into target: Scratch) -> Filling {
    switch (left, right) {
    case (.words(let left), .words(let right)):
        Words.unite(left, right, into: target.words)
    case (.words(let words), .list(let list)), (.list(let list), .words(let words)):
        Words.copy(words, into: target.words)
        Words.mark(list, in: target.words)
    case (.list(let left), .list(let right)):
        if left.count + right.count <= shortLists {
            return .list(count: Lists.unite(left, right, into: target.list))
        }
        Words.clear(target.words)
        Words.mark(left, in: target.words)
        Words.mark(right, in: target.words)
    }
    return .words
}

private func intersect(_ left: BlockView, _ right: BlockView, into target: Scratch) -> Filling {
    switch (left, right) {
    case (.words(let left), .words(let right)):
        Words.intersect(left, right, into: target.words)
        return .words
    case (.words(let words), .list(let list)), (.list(let list), .words(let words)):
        return .list(count: Lists.filter(list, by: words, keeping: 1, into: target.list))
    case (.list(let left), .list(let right)):
        return .list(count: intersect(left, right, into: target))
    }
}

private func subtract(_ left: BlockView, _ right: BlockView, into target: Scratch) -> Filling {
    switch (left, right) {
    case (.words(let left), .words(let right)):
        Words.subtract(left, right, into: target.words)
    case (.words(let words), .list(let list)):
        Words.copy(words, into: target.words)
        Words.unmark(list, in: target.words)
    case (.list(let list), .words(let words)):
        return .list(count: Lists.filter(list, by: words, keeping: 0, into: target.list))
    case (.list(let left), .list(let right)):
        if left.count + right.count <= shortLists || right.count < left.count / 16 {
            return .list(count: Lists.subtract(left, right, into: target.list))
        }
        Words.clear(target.helper)
        Words.mark(right, in: target.helper)
        return .list(count: Lists.filter(left, by: target.helper, keeping: 0, into: target.list))
    }
    return .words
}

private func intersect(_ left: Lists.Source, _ right: Lists.Source, into target: Scratch) -> Int {
    let (short, long) = left.count < right.count ? (left, right) : (right, left)
    if short.count < long.count / 16 { return Lists.search(short, in: long, into: target.list) }
    if short.count + long.count <= shortLists { return Lists.intersect(short, long, into: target.list) }
    Words.clear(target.helper)
    Words.mark(long, in: target.helper)
    return Lists.filter(short, by: target.helper, keeping: 1, into: target.list)
}
