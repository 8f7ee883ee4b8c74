import MusterProtocol
import Testing

@Suite struct EncodingTests {
    struct Reply: Codable {
        var zebra: Int
        var apple: String?
        var mango: [Double]
        var kiwi: Box<Bool>
    }

    @Test func fieldsComeInTheOrderOfTheTypeAndNilIsLeftOut() throws {
        let reply = Reply(zebra: 1, apple: nil, mango: [3, 0.5, -0.0, 1e16, 1e-7, 123_456_789], kiwi: Box(v: true))
        #expect(try encode(reply) == #"{"zebra":1,"mango":[3,0.5,0,1e+16,1e-07,123456789],"kiwi":{"v":true}}"#)
    }

    @Test func onlyRequiredCharactersAreEscaped() throws {
        let text = "\"\\/\u{1}\u{8}\u{9}\u{A}\u{C}\u{D}\u{1F}\u{7F}é😀\u{2028}"
        #expect(try encode(Box(v: text)) == #"{"v":"\"\\/\u0001\b\t\n\f\r\u001f"# + "\u{7F}é😀\u{2028}\"}")
    }

    @Test(arguments: 0..<40) func escapingOfAByteDoesNotDependOnItsPosition(place: Int) throws {
        for byte in UInt8(1)..<0x80 {
            var bytes = Array(repeating: UInt8(ascii: "x"), count: 40)
            bytes[place] = byte
            let identifier = Identifier(bytes: bytes)
            let json = try JSONEncoding.encode(Box(v: identifier))
            #expect(try JSONDecoding.decode(Box<Identifier>.self, from: json).v == identifier)
            let special = byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
            #expect((json.count > 48) == special)
        }
    }

    @Test func valuesThatNoReaderAcceptsAreNotWritten() {
        #expect(throws: JSONError.self) { try encode(Box(v: Double.infinity)) }
        #expect(throws: JSONError.self) { try encode(Box(v: Double.nan)) }
        #expect(throws: JSONError.self) { try encode(Box(v: Float.infinity)) }
        #expect(throws: JSONError.self) { try encode(Box(v: Int64.max)) }
        #expect(throws: JSONError.self) { try encode(Box(v: Int64.min)) }
        #expect(throws: JSONError.self) { try encode(Box(v: UInt64.max)) }
        #expect(throws: JSONError.self) { try encode(Box(v: (1 << 53) + 1)) }
        #expect(throws: JSONError.self) { try encode(Box(v: Identifier(bytes: [0x61, 0xC3]))) }
        #expect(throws: JSONError.self) { try encode(Box(v: Identifier(bytes: [0xED, 0xA0, 0x80]))) }
    }

    /// An import counts it in its place; one that is not sent would lose those beside it.
    @Test func aStringWithNULIsWrittenAndLeftToItsReader() throws {
        #expect(try encode(Box(v: "a\u{0}b")) == #"{"v":"a\u0000b"}"#)
        #expect(try encode(Box(v: IdentifierList(["a", "\u{0}"]))) == #"{"v":["a","\u0000"]}"#)
    }

    @Test func anErrorLeavesTheBytesAsTheyWere() throws {
        var bytes: [UInt8] = [1, 2, 3]
        #expect(throws: JSONError.self) { try JSONEncoding.append(Box(v: [1, 2, .nan]), to: &bytes) }
        #expect(bytes == [1, 2, 3])
        try JSONEncoding.append(Box(v: 1), to: &bytes)
        #expect(bytes == [1, 2, 3] + Array(#"{"v":1}"#.utf8))
    }

    struct Empty: Codable {}
    struct Manual: Encodable {
        var body: @Sendable (any Encoder) throws -> Void
        func encode(to encoder: any Encoder) throws { try body(encoder) }
    }
    enum Key: CodingKey { case a, b }

    @Test func containersCloseInTime() throws {
        let nested = Manual { encoder in
            var outer = encoder.container(keyedBy: Key.self)
            var list = outer.nestedUnkeyedContainer(forKey: .a)
            try list.encode(1)
            var inner = list.nestedContainer(keyedBy: Key.self)
            try inner.encode(2, forKey: .b)
            try list.encode(3)
            _ = list.nestedUnkeyedContainer()
            try outer.encode(4, forKey: .b)
        }
        #expect(try encode(nested) == #"{"a":[1,{"b":2},3,[]],"b":4}"#)
        #expect(try encode(Empty()) == "{}")
        #expect(try encode(Box(v: [Empty]())) == #"{"v":[]}"#)
        #expect(try encode(Box(v: [Int?]([1, nil]))) == #"{"v":[1,null]}"#)
        #expect(try encode(Manual { _ in }) == "{}")
    }

    @Test func encodingOutOfOrderIsAnError() {
        let late = Manual { encoder in
            var outer = encoder.container(keyedBy: Key.self)
            var list = outer.nestedUnkeyedContainer(forKey: .a)
            try outer.encode(4, forKey: .b)
            try list.encode(1)
        }
        let replaced = Manual { encoder in
            var outer = encoder.container(keyedBy: Key.self)
            var list = outer.nestedUnkeyedContainer(forKey: .a)
            _ = outer.nestedUnkeyedContainer(forKey: .b)
            try list.encode(1)
        }
        let twice = Manual { encoder in
            var container = encoder.singleValueContainer()
            try container.encode(1)
            try container.encode(2)
        }
        let both = Manual { encoder in
            var fields = encoder.container(keyedBy: Key.self)
            try fields.encode(1, forKey: .a)
            var list = encoder.unkeyedContainer()
            try list.encode(1)
        }
        for wrong in [late, replaced, twice, both] { #expect(throws: JSONError.self) { try encode(wrong) } }
    }

    @Test func listsThatAreCopiedAreWrittenAndReadLikeAnyOther() throws {
        #expect(try encode(Box(v: [[], [true], [false, true]] as [[Bool]])) == #"{"v":[[],[true],[false,true]]}"#)
        #expect(try encode(Box(v: ["a", "b\"c"] as [Identifier])) == #"{"v":["a","b\"c"]}"#)
        #expect(try encode(Box(v: [Identifier]())) == #"{"v":[]}"#)
        #expect(try decode(Box<[[Bool]]>.self, #"{"v":[[],[true],[false,true]]}"#).v == [[], [true], [false, true]])
        #expect(complaint(Box<[Bool]>.self, #"{"v":[true,"x"]}"#) == "v[1] must be true or false, and is a string")
        #expect(throws: JSONError.self) { try encode(Box(v: [Identifier(bytes: [0xFF])])) }
    }

    @Test func rawJSONIsPassedOnAsItIs() throws {
        let raw = try decode(
            Box<RawJSON>.self, #" { "v" : { "b" : [ 1.0 , 1e2, 0.10 , "\u00e9\/" , null ] , "a" : {} } } "#)
        #expect(raw.v.text == #"{"b":[1,100,0.1,"é/",null],"a":{}}"#)
        #expect(try encode(raw) == #"{"v":{"b":[1,100,0.1,"é/",null],"a":{}}}"#)
        #expect("\(raw.v) \(raw)".contains("100") == false)
        #expect(try RawJSON(encoding: [1]) == decode(Box<RawJSON>.self, #"{"v":[ 1 ]}"#).v)
    }
}
