import MusterUsers

/// 96 bits of the digest of an identifier: all of `first` and the upper half of the rest.
struct Fingerprint: Hashable, Sendable {
    let first: UInt64
    let second: UInt32

    /// - Parameter kept: the bits that are kept; tests keep fewer, to meet collisions.
    init(_ digest: IdentifierDigest, kept: FingerprintBits = .all) {
        first = digest.high & kept.first
        second = UInt32(truncatingIfNeeded: digest.low >> 32) & kept.second
    }
}

/// Which bits of a digest a directory keeps.
struct FingerprintBits: Sendable {
    let first: UInt64
    let second: UInt32

    /// All that fit into a slot.
    static let all = FingerprintBits(first: .max, second: .max)
}

/// A hash table from fingerprints to users: 20 to 24 bytes an identifier, however many there are.
///
/// It consists of shards of about 2,000 to 4,000 identifiers. A shard grows by a fifth when it is four fifths full,
/// alone. Each time that 2,048 more identifiers have come, the next shard in turn is split into two (linear hashing).
/// So the longest step copies one shard, and there is no moment at which everything moves.
struct IdentifierTable: ~Copyable {
    private var shards: [Shard]
    /// The identifiers in the table.
    private(set) var count = 0
    /// The bytes of all slots and shards.
    private(set) var byteCount: Int

    /// Identifiers in a shard, on average over those that are split and those that are not.
    private static let shardSize = 2_048
    /// Look-ups whose memory is fetched at the same time.
    private static let group = 16

    init() {
        let only = Shard()
        (shards, byteCount) = ([only], only.byteCount)
    }

    deinit { for shard in shards { shard.free() } }

    /// The user whom an identifier finds.
    subscript(_ fingerprint: Fingerprint) -> UserNumber? {
        UserNumber(word: shards[index(of: fingerprint)].word(of: fingerprint))
    }

    /// Passes the user of each of many fingerprints to `found`, with its position.
    ///
    /// The home slots of a group are read first and at once: memory answers then while the next ones are asked for.
    func find(_ fingerprints: [Fingerprint], _ found: (Int, UserNumber?) -> Void) {
        for start in stride(from: 0, to: fingerprints.count, by: Self.group) {
            let range = start..<min(start + Self.group, fingerprints.count)
            var waiting: UInt64 = 0
            for position in range {
                let fingerprint = fingerprints[position]
                let word = shards[index(of: fingerprint)].homeWord(of: fingerprint)
                if let word {
                    found(position, UserNumber(word: word))
                } else {
                    waiting |= 1 << UInt64(position - start)
                }
            }
            while waiting != 0 {
                let position = start + waiting.trailingZeroBitCount
                found(position, self[fingerprints[position]])
                waiting &= waiting - 1
            }
        }
    }

    /// Lets an identifier find this user, and nobody else.
    mutating func put(_ fingerprint: Fingerprint, _ user: UserNumber) {
        let isNew = update(index(of: fingerprint)) { $0.put(fingerprint, user.word) }
        guard isNew else { return }
        count += 1
        if count > shards.count * Self.shardSize { splitNext() }
    }

    /// Lets an identifier find nobody.
    mutating func remove(_ fingerprint: Fingerprint) {
        if update(index(of: fingerprint), { $0.remove(fingerprint) }) { count -= 1 }
    }

    /// Passes all to `body`, in no order.
    func visit(_ body: (Fingerprint, UserNumber) -> Void) {
        for shard in shards {
            shard.visit { slot in
                if let user = UserNumber(word: slot.word) { body(slot.fingerprint, user) }
            }
        }
    }

    /// How many slots lie between an identifier and where it should be, on average; for tests.
    var meanDistance: Double { Double(shards.reduce(0) { $0 + $1.distance }) / Double(max(count, 1)) }

    /// The shard of a fingerprint. Between two powers of two only the first shards are split: where the number with one
    /// more bit is beyond the last shard, the shard without that bit still has both halves.
    private func index(of fingerprint: Fingerprint) -> Int {
        let half = 1 << (Int.bitWidth - 1 - shards.count.leadingZeroBitCount)
        let index = Int(truncatingIfNeeded: fingerprint.first) & (2 * half - 1)
        return index < shards.count ? index : index - half
    }

    private mutating func update<R>(_ index: Int, _ body: (inout Shard) -> R) -> R {
        let before = shards[index].byteCount
        defer { byteCount += shards[index].byteCount - before }
        return body(&shards[index])
    }

    private mutating func splitNext() {
        let new = shards.count
        let half = 1 << (Int.bitWidth - 1 - new.leadingZeroBitCount)
        let (old, mask) = (new - half, UInt64(2 * half - 1))
        let whole = shards[old]
        let moving = whole.count { $0.first & mask == UInt64(new) }
        var (staying, moved) = (Shard(for: whole.count - moving), Shard(for: moving))
        whole.visit { slot in
            if slot.first & mask == UInt64(new) { moved.putNew(slot) } else { staying.putNew(slot) }
        }
        byteCount += staying.byteCount + moved.byteCount - whole.byteCount
        whole.free()
        shards[old] = staying
        shards.append(moved)
    }
}

/// 16 bytes; an empty one has the word 0.
private struct Slot {
    var first: UInt64 = 0
    var second: UInt32 = 0
    var word: UInt32 = 0

    var fingerprint: Fingerprint { Fingerprint(first: first, second: second) }

    func has(_ fingerprint: Fingerprint) -> Bool { first == fingerprint.first && second == fingerprint.second }
}

extension UserNumber {
    /// As a slot has it: numbers have 31 bits, and 0 is an empty slot.
    fileprivate var word: UInt32 { rawValue &+ 1 }

    fileprivate init?(word: UInt32) {
        if word == 0 { return nil }
        self.init(rawValue: word - 1)
    }
}

extension Fingerprint {
    fileprivate init(first: UInt64, second: UInt32) { (self.first, self.second) = (first, second) }
}

/// A part of the table, with open addressing and linear probing. The table that contains it frees its memory.
private struct Shard {
    private var slots: UnsafeMutablePointer<Slot>
    private var capacity: UInt32
    private var used: UInt32 = 0

    /// What a shard takes besides its slots: itself, and what the allocator adds.
    static let overhead = MemoryLayout<Shard>.stride + 16

    var count: Int { Int(used) }
    var byteCount: Int { Self.overhead + Int(capacity) * MemoryLayout<Slot>.stride }

    /// - Parameter count: for how many identifiers there is room before it grows.
    init(for count: Int = 0) {
        capacity = UInt32(max(4, count * 3 / 2 + 1))
        slots = .allocate(capacity: Int(capacity))
        slots.initialize(repeating: Slot(), count: Int(capacity))
    }

    func free() { slots.deallocate() }

    /// The word of a fingerprint; 0 where there is none.
    func word(of fingerprint: Fingerprint) -> UInt32 { slots[place(of: fingerprint)].word }

    /// The word in the slot where a fingerprint should be: its own, or 0; nil where another fingerprint is there.
    func homeWord(of fingerprint: Fingerprint) -> UInt32? {
        let slot = slots[home(of: fingerprint.second)]
        return slot.word == 0 || slot.has(fingerprint) ? slot.word : nil
    }

    /// Returns whether the fingerprint is new.
    mutating func put(_ fingerprint: Fingerprint, _ word: UInt32) -> Bool {
        let place = place(of: fingerprint)
        if slots[place].word != 0 {
            slots[place].word = word
            return false
        }
        // Full to four fifths: with more, a look-up that finds nothing passes dozens of slots.
        if (used + 1) * 5 > capacity * 4 { resize(for: Int(used) + 1) }
        putNew(Slot(first: fingerprint.first, second: fingerprint.second, word: word))
        return true
    }

    /// Puts a fingerprint that isn't there, where there is room.
    mutating func putNew(_ slot: Slot) {
        slots[place(of: slot.fingerprint)] = slot
        used += 1
    }

    /// Returns whether the fingerprint was there. Slots behind it move up, so that no look-up ends at the gap.
    mutating func remove(_ fingerprint: Fingerprint) -> Bool {
        var gap = place(of: fingerprint)
        guard slots[gap].word != 0 else { return false }
        var next = after(gap)
        while slots[next].word != 0 {
            if !isBetween(home(of: slots[next].second), after: gap, upTo: next) {
                slots[gap] = slots[next]
                gap = next
            }
            next = after(next)
        }
        slots[gap] = Slot()
        used -= 1
        if capacity > 16, used * 3 < capacity { resize(for: Int(used)) }
        return true
    }

    func visit(_ body: (Slot) -> Void) {
        for place in 0..<Int(capacity) where slots[place].word != 0 { body(slots[place]) }
    }

    func count(where isMeant: (Slot) -> Bool) -> Int {
        var count = 0
        visit { if isMeant($0) { count += 1 } }
        return count
    }

    /// The distances of all to their home slots.
    var distance: Int {
        var sum = 0
        for place in 0..<Int(capacity) where slots[place].word != 0 {
            let home = home(of: slots[place].second)
            sum += place >= home ? place - home : place + Int(capacity) - home
        }
        return sum
    }

    /// The slot that has a fingerprint, or the empty one where it belongs. There always is an empty one.
    private func place(of fingerprint: Fingerprint) -> Int {
        var place = home(of: fingerprint.second)
        while slots[place].word != 0, !slots[place].has(fingerprint) { place = after(place) }
        return place
    }

    private func home(of second: UInt32) -> Int { Int((UInt64(second) * UInt64(capacity)) >> 32) }

    private func after(_ place: Int) -> Int { place + 1 == Int(capacity) ? 0 : place + 1 }

    /// Whether `home` lies behind `gap` and not behind `place`, around the end of the slots.
    private func isBetween(_ home: Int, after gap: Int, upTo place: Int) -> Bool {
        gap <= place ? gap < home && home <= place : gap < home || home <= place
    }

    private mutating func resize(for count: Int) {
        var resized = Shard(for: count)
        visit { resized.putNew($0) }
        free()
        self = resized
    }
}
