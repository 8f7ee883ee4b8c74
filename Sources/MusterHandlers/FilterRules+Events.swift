import MusterProtocol

extension FilterRules {
    /// Days that a window may reach back: a hundred years, so that it ends within the times that can be stored.
    private static let mostDays = 36_500
    /// Beyond it an amount's millionths are no longer told apart.
    private static let mostSpent = 1e12

    static func check(_ event: EventFilter, _ path: String) throws {
        try check(name: event.name, "\(path).name")
        try check(event.count, "\(path).count")
        try checkWindow(event.withinDays, event.after, event.before, path)
    }

    static func check(_ purchase: PurchaseFilter, _ path: String) throws {
        if let product = purchase.productID { try check(name: product, "\(path).product_id") }
        if let currency = purchase.currency, !isCurrency(currency) {
            throw RPCError(.invalidArgument, "\(path).currency must be three capital letters, such as EUR")
        }
        try check(purchase.count, "\(path).count")
        if let total = purchase.totalSpent, abs(total.value) > mostSpent {
            throw RPCError(.invalidArgument, "\(path).total_spent.value must be a number within ±10^12")
        }
        try checkWindow(purchase.withinDays, purchase.after, purchase.before, path)
    }

    private static func check(name: Identifier, _ field: String) throws {
        guard !name.bytes.isEmpty, name.bytes.count <= Limits.identifierBytes.value else {
            throw RPCError(.invalidArgument, "\(field) must have 1 to \(Limits.identifierBytes.value) bytes")
        }
    }

    private static func check(_ count: CountTest?, _ path: String) throws {
        guard let count, count.value < 0 else { return }
        throw RPCError(.invalidArgument, "\(path).value must not be negative")
    }

    private static func checkWindow(_ days: Int?, _ after: Instant?, _ before: Instant?, _ path: String) throws {
        if let days, !(1...mostDays).contains(days) {
            throw RPCError(.invalidArgument, "\(path).within_days must be 1 to \(mostDays)")
        }
        if let after, let before, after >= before {
            throw RPCError(.invalidArgument, "\(path).after must be earlier than before")
        }
    }

    private static func isCurrency(_ text: String) -> Bool {
        text.utf8.count == 3 && text.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }
}
