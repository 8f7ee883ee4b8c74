public import MusterProtocol

extension RPCError {
    /// Whether the error names a limit and its value, in its details and in its message.
    public func names(_ limit: Limit, as value: Int) -> Bool {
        details.string("limit") == limit.name && details.integer("limit_value") == Int64(value)
            && message.contains(limit.name) && message.contains("\(value)")
    }
}
