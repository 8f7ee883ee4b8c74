import MusterProtocol

extension FilterRules {
    static func check(_ event: EventFilter, _ path: String) throws {
        try MusterHandlers.check(filterName: event.name, "\(path).name", atMost: Limits.identifierBytes)
        try check(event.count, "\(path).count")
        try checkWindow(event.withinDays, event.after, event.before, path)
    }

    static func check(_ purchase: PurchaseFilter, _ path: String) throws {
        if let product = purchase.productID {
            try MusterHandlers.check(filterName: product, "\(path).product_id", atMost: Limits.identifierBytes)
        }
        if let currency = purchase.currency, !isCurrency(currency) {
            throw RPCError.invalid("\(path).currency", .invalidFormat, "must be three capital letters, such as EUR")
        }
        try check(purchase.count, "\(path).count")
        if let total = purchase.totalSpent, abs(total.value) > Double(Limits.totalSpent.value) {
            throw RPCError.over(
                Limits.totalSpent, "\(path).total_spent.value", .outOfRange,
                "must be a number within ±\(Limits.totalSpent.value)")
        }
        try checkWindow(purchase.withinDays, purchase.after, purchase.before, path)
    }

    private static func check(_ count: CountTest?, _ path: String) throws {
        guard let count, count.value < 0 else { return }
        throw RPCError.invalid("\(path).value", .outOfRange, "must not be negative")
    }

    private static func checkWindow(_ days: Int?, _ after: Instant?, _ before: Instant?, _ path: String) throws {
        let limit = Limits.windowDays
        if let days, !(1...limit.value).contains(days) {
            throw RPCError.over(limit, "\(path).within_days", .outOfRange, "must be 1 to \(limit.value)")
        }
        if let after, let before, after >= before {
            throw RPCError.invalid("\(path).after", .conflict, "must be earlier than before")
        }
    }

    private static func isCurrency(_ text: String) -> Bool {
        text.utf8.count == 3 && text.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }
}
