import MusterProtocol
import Testing

@Suite struct EnvelopeTests {
    /// An envelope in a comparable form.
    static func sketch(_ envelope: Envelope) -> String {
        switch envelope {
        case .request(let id, let method, let deadline, let body):
            "request \(id) \(method) \(deadline.map(String.init) ?? "-") \(body.map { RawJSON($0).text } ?? "-")"
        case .reply(let id, let body): "reply \(id) \(RawJSON(body).text)"
        case .error(let id, let error): "error \(id) \(error) \(error.details.integer("retry_after_ms") ?? -1)"
        case .cancel(let id): "cancel \(id)"
        case .goaway(let last, let reason): "goaway \(last) \(reason)"
        case .ping(let number): "ping \(number)"
        case .pong(let number): "pong \(number)"
        }
    }

    static func read(_ text: String) throws -> String {
        try JSONReader().read(Array(text.utf8)) { sketch(try Envelope($0)) }
    }

    @Test func everyKindIsRead() throws {
        let cases = [
            (
                #"{"id":7,"method":"segments.check","deadline_ms":500,"body":{"a":1}}"#,
                #"request 7 segments.check 500 {"a":1}"#
            ),
            (#"{"body":{},"method":"m","id":0,"later":[1]}"#, "request 0 m - {}"),
            (#"{"id":9007199254740992,"method":"m"}"#, "request 9007199254740992 m - -"),
            (#"{"id":7,"body":{"x":[]}}"#, #"reply 7 {"x":[]}"#),
            (
                #"{"id":7,"error":{"code":"ABORTED","message":"busy","details":{"retry_after_ms":100}}}"#,
                "error 7 ABORTED: busy 100"
            ),
            (#"{"id":7,"error":{"code":"NEW_CODE","message":"m"}}"#, "error 7 UNKNOWN: m -1"),
            (#"{"cancel":7}"#, "cancel 7"), (#"{"ping":1}"#, "ping 1"), (#"{"pong":-1}"#, "pong -1"),
            (#"{"goaway":{"last_id":41,"reason":"shutting down"}}"#, "goaway 41 shutting down"),
            (#"{"goaway":{"last_id":41}}"#, "goaway 41 "),
        ]
        for (text, expected) in cases { #expect(try Self.read(text) == expected) }
    }

    @Test func anErrorCarriesTheIDOfItsRequest() throws {
        let cases: [(String, Int64?, String)] = [
            ("{}", nil, "the message has none of the fields that begin a message of this protocol"),
            (#"{"id":3}"#, 3, "the message has none of the fields that begin a message of this protocol"),
            (#"{"method":"m"}"#, nil, "id is missing"),
            (#"{"id":-1,"method":"m"}"#, nil, "id must not be negative"),
            (#"{"id":1.5,"method":"m"}"#, nil, "id must be a whole number within ±2^53"),
            (#"{"id":"1","method":"m"}"#, nil, "id must be a whole number, and is a string"),
            (#"{"id":null,"method":"m"}"#, nil, "id must be a whole number, and is null"),
            (#"{"id":3,"method":4}"#, 3, "method must be a string, and is a number"),
            (#"{"id":3,"method":"m","deadline_ms":0}"#, 3, "deadline_ms must be at least 1"),
            (#"{"id":3,"method":"m","deadline_ms":"1"}"#, 3, "deadline_ms must be a whole number, and is a string"),
            (#"{"id":3,"method":"m","deadline_ms":1e300}"#, 3, "deadline_ms must be a whole number within ±2^53"),
            (#"{"id":3,"method":"m","body":[]}"#, 3, "body must be an object, and is an array"),
            (#"{"id":3,"body":"x"}"#, 3, "body must be an object, and is a string"),
            (#"{"id":3,"method":"m","error":{}}"#, 3, "the message is of two kinds at once"),
            (#"{"id":3,"method":"m","cancel":3}"#, 3, "the message is of two kinds at once"),
            (#"{"id":3,"body":{},"error":{}}"#, 3, "the message is of two kinds at once"),
            (#"{"ping":1,"pong":1}"#, nil, "the message is of two kinds at once"),
            (#"{"cancel":-1}"#, nil, "cancel must not be negative"),
            (#"{"goaway":{}}"#, nil, "goaway.last_id is missing"),
            (#"{"goaway":1}"#, nil, "goaway must be an object, and is a number"),
            (#"{"id":3,"error":{"message":"m"}}"#, 3, "error.code is missing"),
        ]
        for (text, id, sentence) in cases {
            let error = #expect(throws: EnvelopeError.self) { try Self.read(text) }
            #expect(error?.id == id)
            #expect(error?.description == sentence)
        }
    }

    @Test func everyKindIsWrittenAsItIsRead() throws {
        var stream: [UInt8] = []
        let error = RPCError(.notFound, "there is no \"x\"", details: ["retry_after_ms": 100, "b": true, "c": "d"])
        try FrameEncoder.append(requestID: 7, method: "m\"", deadlineMilliseconds: 5, body: Box(v: 1), to: &stream)
        try FrameEncoder.append(requestID: 8, method: "m", body: Box(v: 1), to: &stream)
        try FrameEncoder.append(replyTo: 9, body: Box(v: [1]), to: &stream)
        try FrameEncoder.append(replyTo: 10, error: error, to: &stream)
        FrameEncoder.append(cancel: Envelope.largestID, to: &stream)
        FrameEncoder.append(ping: -Envelope.largestID, to: &stream)
        FrameEncoder.append(pong: 2, to: &stream)
        try FrameEncoder.append(goawayAfter: 41, reason: "shutting down", to: &stream)
        var decoder = FrameDecoder(limit: Limits.frame)
        decoder.append(stream)
        var found: [String] = []
        while let text = try decoder.next({ try JSONReader().read($0) { Self.sketch(try Envelope($0)) } }) {
            found.append(text)
        }
        #expect(
            found == [
                #"request 7 m" 5 {"v":1}"#, #"request 8 m - {"v":1}"#, #"reply 9 {"v":[1]}"#,
                #"error 10 NOT_FOUND: there is no "x" 100"#, "cancel 9007199254740992", "ping -9007199254740992",
                "pong 2",
                "goaway 41 shutting down",
            ])
    }

    @Test func anErrorIsSentWithoutItsCause() throws {
        struct Secret: Error { var text = "SELECT secret" }
        let error = RPCError(.internal, "internal", details: ["a": 1], cause: Secret())
        #expect(try encode(error) == #"{"code":"INTERNAL","message":"internal","details":{"a":1}}"#)
        #expect("\(error)" == "INTERNAL: internal")
        #expect(error == RPCError(.internal, "internal", details: ["a": 1]))
        var details: RPCError.Details = ["a": 1, "b": "x"]
        details.set("a", 2)
        #expect(details.integer("a") == 2)
        #expect(details.string("b") == "x")
        #expect(details.integer("b") == nil)
        #expect(RPCCode.allCases.count == 16)
    }

    @Test func aMalformedMessageIsTheSendersError() {
        #expect(
            RPCError(JSONError(at: "a[0]", "is wrong"))
                == RPCError(.invalidArgument, .wrongType, field: "a[0]", "a[0] is wrong"))
    }
}
