/// A request in its plain form: an id, a method, a body, perhaps a deadline, and nothing else. Most messages are, and
/// one look at each field reads them. Its method and body are views into the reader's table.
public struct PlainRequest {
    /// The id.
    public let id: Int64
    /// The name of the method, in UTF-8.
    public let method: UnsafeRawBufferPointer
    /// How long the caller waits.
    public let deadlineMilliseconds: Int64?
    /// An object.
    public let body: JSONValue

    /// Nil for any other message, which `Envelope` reads or refuses.
    public init?(_ message: JSONValue) {
        var id: Int64?
        var deadline: Int64?
        var method: UnsafeRawBufferPointer?
        var body: JSONValue?
        for (name, value) in JSONFields(message) {
            if name.isText("id") {
                guard let number = value.whole, number >= 0 else { return nil }
                id = number
            } else if name.isText("method") {
                guard value.kind == .string, !value.isUnusable else { return nil }
                method = value.text
            } else if name.isText("body") {
                guard value.kind == .object else { return nil }
                body = value
            } else if name.isText("deadline_ms") {
                guard let number = value.whole, number >= 1 else { return nil }
                deadline = number
            } else {
                return nil
            }
        }
        guard let id, let method, let body else { return nil }
        (self.id, self.method, self.deadlineMilliseconds, self.body) = (id, method, deadline, body)
    }
}
