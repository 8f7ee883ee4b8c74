public import MusterProtocol

/// Replies with its own text.
public struct EchoCall: ReadingCall {
    public static let method = "test.echo"
    public static let summary = "Echo."
    public static let notes = ""
    public static let example = (call: EchoCall(text: "hello"), reply: Reply(text: "hello"))
    public var text: String
    public init(text: String) { self.text = text }
    public struct Reply: Codable, Sendable, Equatable { public var text: String }
}

/// Waits at a gate until the test opens it.
public struct WaitCall: Call {
    public static let method = "test.wait"
    public static let summary = "Wait."
    public static let notes = ""
    public static let example = (call: WaitCall(name: "a"), reply: Done())
    public var name: String
    public var safe: Bool?
    public init(name: String, safe: Bool? = nil) { (self.name, self.safe) = (name, safe) }
    public typealias Reply = Done
    public var isSafeToRepeat: Bool { safe ?? false }
}

/// Waits as `WaitCall` does. Its reply may have up to `bytes` bytes.
public struct LargeCall: ReadingCall {
    public static let method = "test.large"
    public static let summary = "Wait."
    public static let notes = ""
    public static let example = (call: LargeCall(name: "a", bytes: 1), reply: Done())
    public var name: String
    public var bytes: Int
    public init(name: String, bytes: Int) { (self.name, self.bytes) = (name, bytes) }
    public typealias Reply = Done
    public var maxReplyBytes: Int { bytes }
}

/// Fails with `code` the first `times` times.
public struct FailCall: Call {
    public static let method = "test.fail"
    public static let summary = "Fail."
    public static let notes = ""
    public static let example = (call: FailCall(code: .aborted, times: 1, safe: true), reply: Reply(attempts: 2))
    public var code: RPCCode
    public var times: Int
    public var safe: Bool
    public var retryAfter: Int?
    public init(code: RPCCode, times: Int, safe: Bool, retryAfter: Int? = nil) {
        (self.code, self.times, self.safe, self.retryAfter) = (code, times, safe, retryAfter)
    }
    public struct Reply: Codable, Sendable, Equatable { public var attempts: Int }
    public var isSafeToRepeat: Bool { safe }
}

/// Replies with the numbers below `count`, in pages.
public struct CountCall: PagedCall {
    public static let method = "test.count"
    public static let summary = "Count."
    public static let notes = ""
    public static let example = (call: CountCall(count: 1), reply: Reply(numbers: [0]))
    public var count: Int
    public var pageSize: Int?
    public var pageToken: String?
    public init(count: Int, pageSize: Int? = nil, pageToken: String? = nil) {
        (self.count, self.pageSize, self.pageToken) = (count, pageSize, pageToken)
    }
    public struct Reply: Codable, Sendable, Equatable, Page {
        public var numbers: [Int]
        public var nextPageToken: String?
        public var entries: [Int] { numbers }
    }
}

/// Replies with its own text, as a direct call.
public struct DirectEchoCall: ReadingCall {
    public static let method = "test.direct.echo"
    public static let summary = "Echo."
    public static let notes = ""
    public static let example = (call: Self(text: "hello"), reply: EchoCall.Reply(text: "hello"))
    public var text: String
    public init(text: String) { self.text = text }
    public typealias Reply = EchoCall.Reply
}

/// Waits, as a direct call, until the test answers it. Its reply may have up to `bytes` bytes.
public struct DirectWaitCall: Call {
    public static let method = "test.direct.wait"
    public static let summary = "Wait."
    public static let notes = ""
    public static let example = (call: Self(name: "a"), reply: Done())
    public var name: String
    public var bytes: Int?
    public init(name: String, bytes: Int? = nil) { (self.name, self.bytes) = (name, bytes) }
    public typealias Reply = Done
    public var isSafeToRepeat: Bool { false }
    public var maxReplyBytes: Int { bytes ?? 0 }
}
