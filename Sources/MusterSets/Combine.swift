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

/// 8 KiB of borrowed memory for the result of one operation: 1,024 words or a list of up to 4,096.
struct Scratch {
    let base: UnsafeMutableRawPointer

    // Binding anew is right here: a result is written whole before it is read, so nothing of the other shape is read after it.
    var words: UnsafeMutablePointer<UInt64> { base.bindMemory(to: UInt64.self, capacity: Block.wordCount) }
    var list: UnsafeMutablePointer<UInt16> { base.bindMemory(to: UInt16.self, capacity: Block.listLimit) }

    func view(_ filling: Filling) -> BlockView {
        switch filling {
        case .list(let count): .list(UnsafeBufferPointer(start: list, count: count))
        case .words: .words(words)
        }
    }

    /// Lends a scratch block until `body` returns.
    static func with<Result>(_ body: (Scratch) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: Block.byteCount, alignment: 64) { memory in
            body(Scratch(base: memory.baseAddress!))  // The allocation is not empty.
        }
    }
}

/// Combines two blocks into a third place, which must be neither's.
///
/// A list is used as it is, never spread out first, except in a union that may be longer than a list can be.
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
        Words.insert(list, into: target.words)
    case (.list(let left), .list(let right)):
        if left.count + right.count <= Block.listLimit {
            return .list(count: Lists.unite(left, right, into: target.list))
        }
        Words.clear(target.words)
        Words.insert(left, into: target.words)
        Words.insert(right, into: target.words)
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
        return .list(count: Lists.intersect(left, right, into: target.list))
    }
}

private func subtract(_ left: BlockView, _ right: BlockView, into target: Scratch) -> Filling {
    switch (left, right) {
    case (.words(let left), .words(let right)):
        Words.subtract(left, right, into: target.words)
    case (.words(let words), .list(let list)):
        Words.copy(words, into: target.words)
        Words.remove(list, from: target.words)
    case (.list(let list), .words(let words)):
        return .list(count: Lists.filter(list, by: words, keeping: 0, into: target.list))
    case (.list(let left), .list(let right)):
        return .list(count: Lists.subtract(left, right, into: target.list))
    }
    return .words
}
