/// The operations on two containers; `difference` keeps the values of the left one that the right one lacks.
enum SetOperation: Sendable {
    case union, intersection, difference
}

/// The members of a container, borrowed from its owner.
enum ContainerView {
    case array(UnsafeBufferPointer<UInt16>)
    case bitset(UnsafePointer<UInt64>)
}

/// What a scratch container holds.
enum Filling {
    case array(count: Int)
    case bitset
}

/// 8 KiB of borrowed memory for the result of one operation, either 1,024 words or an array of up to 4,096 values. A
/// second 8 KiB, which several scratch containers may share, is working memory.
struct Scratch {
    let base: UnsafeMutableRawPointer
    let helper: UnsafeMutablePointer<UInt64>

    // Rebinding the memory is safe: a result is written completely before it is read.
    var words: UnsafeMutablePointer<UInt64> { base.bindMemory(to: UInt64.self, capacity: Container.wordCount) }
    var list: UnsafeMutablePointer<UInt16> { base.bindMemory(to: UInt16.self, capacity: Container.arrayLimit) }

    func view(_ filling: Filling) -> ContainerView {
        switch filling {
        case .array(let count): .array(UnsafeBufferPointer(start: list, count: count))
        case .bitset: .bitset(words)
        }
    }

    /// Lends scratch containers that share one helper until `body` returns.
    static func with<Result>(count: Int, _ body: ([Scratch]) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: (count + 1) * Container.byteCount, alignment: 64) { memory in
            // The allocation has room for the helper and `count` more; each gets its own part.
            let helper = memory.baseAddress!
            return body(
                (1...count).map { part in
                    Scratch(
                        base: helper + part * Container.byteCount,
                        helper: helper.bindMemory(to: UInt64.self, capacity: Container.wordCount))
                })
        }
    }

    /// Lends one scratch container.
    static func with<Result>(_ body: (Scratch) -> Result) -> Result {
        with(count: 1) { body($0[0]) }
    }
}

/// The longest pair of arrays, in values together, that is merged.
private let shortArrays = 128

/// Combines two containers into a third, which must be distinct from both.
///
/// Short arrays are merged. A merge mispredicts branches, and setting or testing bits does not, so longer arrays go
/// through a bitset; a union of long arrays stays a bitset even when an array would do.
func combine(_ operation: SetOperation, _ left: ContainerView, _ right: ContainerView, into target: Scratch) -> Filling
{
    switch operation {
    case .union: unite(left, right, into: target)
    case .intersection: intersect(left, right, into: target)
    case .difference: subtract(left, right, into: target)
    }
}

private func unite(_ left: ContainerView, _ right: ContainerView, into target: Scratch) -> Filling {
    switch (left, right) {
    case (.bitset(let left), .bitset(let right)):
        Bitset.unite(left, right, into: target.words)
    case (.bitset(let words), .array(let list)), (.array(let list), .bitset(let words)):
        Bitset.copy(words, into: target.words)
        Bitset.mark(list, in: target.words)
    case (.array(let left), .array(let right)):
        if left.count + right.count <= shortArrays {
            return .array(count: ArrayContainer.unite(left, right, into: target.list))
        }
        Bitset.clear(target.words)
        Bitset.mark(left, in: target.words)
        Bitset.mark(right, in: target.words)
    }
    return .bitset
}

private func intersect(_ left: ContainerView, _ right: ContainerView, into target: Scratch) -> Filling {
    switch (left, right) {
    case (.bitset(let left), .bitset(let right)):
        Bitset.intersect(left, right, into: target.words)
        return .bitset
    case (.bitset(let words), .array(let list)), (.array(let list), .bitset(let words)):
        return .array(count: ArrayContainer.filter(list, by: words, keeping: 1, into: target.list))
    case (.array(let left), .array(let right)):
        return .array(count: intersect(left, right, into: target))
    }
}

private func subtract(_ left: ContainerView, _ right: ContainerView, into target: Scratch) -> Filling {
    switch (left, right) {
    case (.bitset(let left), .bitset(let right)):
        Bitset.subtract(left, right, into: target.words)
    case (.bitset(let words), .array(let list)):
        Bitset.copy(words, into: target.words)
        Bitset.unmark(list, in: target.words)
    case (.array(let list), .bitset(let words)):
        return .array(count: ArrayContainer.filter(list, by: words, keeping: 0, into: target.list))
    case (.array(let left), .array(let right)):
        if left.count + right.count <= shortArrays || right.count < left.count / 16 {
            return .array(count: ArrayContainer.subtract(left, right, into: target.list))
        }
        Bitset.clear(target.helper)
        Bitset.mark(right, in: target.helper)
        return .array(count: ArrayContainer.filter(left, by: target.helper, keeping: 0, into: target.list))
    }
    return .bitset
}

private func intersect(_ left: ArrayContainer.Source, _ right: ArrayContainer.Source, into target: Scratch) -> Int {
    let (short, long) = left.count < right.count ? (left, right) : (right, left)
    if short.count < long.count / 16 { return ArrayContainer.search(short, in: long, into: target.list) }
    if short.count + long.count <= shortArrays { return ArrayContainer.intersect(short, long, into: target.list) }
    Bitset.clear(target.helper)
    Bitset.mark(long, in: target.helper)
    return ArrayContainer.filter(short, by: target.helper, keeping: 1, into: target.list)
}
