/// The operations on two containers; `difference` keeps the values of the left one that the right one lacks.
enum SetOperation: Sendable {
    case union, intersection, difference
}

/// The members of a container, borrowed from its owner.
enum BlockView {
    case list(UnsafeBufferPointer<UInt16>)
    case words(UnsafePointer<UInt64>)
}

/// What a scratch container holds.
enum Filling {
    case list(count: Int)
    case words
}

/// 8 KiB of borrowed memory for the result of one operation, either 1,024 words or an array of up to 4,096 values. A
/// second 8 KiB, which several scratch containers may share, is working memory.
struct Scratch {
    let base: UnsafeMutableRawPointer
    let helper: UnsafeMutablePointer<UInt64>

    // Rebinding the memory is safe: a result is written completely before it is read.
    var words: UnsafeMutablePointer<UInt64> { base.bindMemory(to: UInt64.self, capacity: Block.wordCount) }
    var list: UnsafeMutablePointer<UInt16> { base.bindMemory(to: UInt16.self, capacity: Block.listLimit) }

    func view(_ filling: Filling) -> BlockView {
        switch filling {
        case .list(let count): .list(UnsafeBufferPointer(start: list, count: count))
        case .words: .words(words)
        }
    }

    /// Lends scratch containers that share one helper until `body` returns.
    static func with<Result>(count: Int, _ body: ([Scratch]) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: (count + 1) * Block.byteCount, alignment: 64) { memory in
            // The allocation has room for the helper and `count` more; each gets its own part.
            let helper = memory.baseAddress!
            return body(
                (1...count).map { part in
                    Scratch(
                        base: helper + part * Block.byteCount,
                        helper: helper.bindMemory(to: UInt64.self, capacity: Block.wordCount))
                })
        }
    }

    /// Lends one scratch container.
    static func with<Result>(_ body: (Scratch) -> Result) -> Result {
        with(count: 1) { body($0[0]) }
    }
}

/// The longest pair of arrays, in values together, that is merged.
private let shortLists = 128

/// Combines two containers into a third, which must be distinct from both.
///
/// Short arrays are merged. A merge mispredicts branches, and setting or testing bits does not, so longer arrays go
/// through a bitset; a union of long arrays stays a bitset even when an array would do.
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
