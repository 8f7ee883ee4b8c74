/// A queue with constant-time access to its first element; rare operations are linear.
struct Fifo<Element> {
    private var items: [Element?] = []
    private var head = 0

    var count: Int { items.count - head }

    mutating func append(_ element: Element) { items.append(element) }

    mutating func prepend(_ element: Element) {
        if head > 0 {
            head -= 1
            items[head] = element
        } else {
            items.insert(element, at: 0)
        }
    }

    mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        defer {
            items[head] = nil
            head += 1
            if head == items.count || head > 1024 { trim() }
        }
        return items[head]
    }

    mutating func popLast() -> Element? {
        guard head < items.count else { return nil }
        defer { if head == items.count { trim() } }
        return items.removeLast()
    }

    /// Returns the removed elements.
    mutating func removeAll(where isUnwanted: (Element) -> Bool) -> [Element] {
        let all = items[head...].compactMap { $0 }
        let removed = all.filter(isUnwanted)
        guard !removed.isEmpty else { return [] }
        items = all.filter { !isUnwanted($0) }
        head = 0
        return removed
    }

    func earliest(by moment: (Element) -> MonotonicTime) -> MonotonicTime? {
        items[head...].compactMap { $0.map(moment) }.min()
    }

    private mutating func trim() {
        items.removeFirst(head)
        head = 0
    }
}
