import MusterProtocol
import Testing

@Suite struct StrictJSONTests {
    static let accepted = [
        "{}", " \t\r\n{ } \n", #"{"":""}"#, #"{"a":[]}"#, #"{"a":[[]   ]}"#, #"{"a":null,"b":true,"c":false}"#,
        #"{"a":0}"#, #"{"a":-0}"#, #"{"a":-0.0}"#, #"{"a":1e2}"#, #"{"a":1E+2}"#, #"{"a":0e1}"#, #"{"a":1.5e-300}"#,
        #"{"a":9007199254740992}"#, #"{"a":-9007199254740992}"#, #"{"a":1e308}"#, #"{"a":5e-324}"#, #"{"a":1e-400}"#,
        #"{"a":"\"\\\/\b\f\n\r\t"}"#, #"{"a":"\u0001\u001f\u007f"}"#, #"{"a":"\ud83d\ude00"}"#, #"{"a":"😀é\u00e9"}"#,
        #"{"a":"\\u0000"}"#, #"{"\u0061":1}"#, #"{"a":{"a":{"a":1}},"b":{"a":1}}"#, #"{"v":[{"a":1}]}"#,
        "{\"a\":\"\u{7F}\u{2028}\u{FEFF}\u{FFFF}\u{10FFFF}\"}", #"{"a":[1,[2,{"b":[]}],"c",{}]}"#,
    ]

    @Test(arguments: accepted) func acceptsValidJSON(text: String) {
        #expect(refusal(of: text) == nil)
    }

    static let malformed = [
        "", " ", "[]", "\"a\"", "1", "null", "true", "[{}]", "{", "}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}",
        "{\"a\":[1,]}", "{\"a\":[,1]}", "{\"a\":[1 2]}", "{\"a\" 1}", "{a:1}", "{'a':1}", "{\"a\":'b'}", "{1:1}",
        "{\"a\":1}{}", "{\"a\":1} x", "{}[]", "{}\u{0}", "\u{0}{}", "{\"a\":1}/**/", "{/**/}", "{\"a\":1 // b\n}",
        "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":-Infinity}", "{\"a\":nul}", "{\"a\":True}", "{\"a\":undefined}",
        "{\"a\":01}", "{\"a\":-01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":1e+}",
        "{\"a\":0x10}",
        "{\"a\":--1}", "{\"a\":1_000}", "{\"a\":1e400}", "{\"a\":-1e400}", "{\"a\":\"\t\"}", "{\"a\":\"\n\"}",
        "{\"a\":\"\u{1F}\"}", "{\"a\":\"\u{0}\"}", "{\"a\":\"", "{\"a\":\"\\\"}", "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12G4\"}", "{\"a\":\"\\U0041\"}", "{\"a\":\"\\'\"}",
        "\u{FEFF}{}", "{\u{A0}}", "{\"a\":1\u{2028}}", "{\"a\"::1}", "{\"a\":1,,\"b\":2}", "{\"a\":1;\"b\":2}",
        "{\"a\":(1)}",
        "{\"a\":[1}", "{\"a\":{]}", "{\"a\":[[[[", "{\"a\":[]]}", "{\"a\":1}}", "{{}:1}", "{\"a\":\u{B}1}",
        "{\"a\":18446744073709551616000}",
    ]

    @Test(arguments: malformed) func refusesInvalidJSON(text: String) {
        #expect(refusal(of: text)?.reason == .malformed)
    }

    /// Inside a string of the message, so that only the bytes can be wrong.
    static let notUTF8: [[UInt8]] = [
        [0x80], [0xBF], [0xC0, 0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80],
        [0xE0, 0x9F, 0xBF],
        [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
        [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
    ]

    @Test(arguments: notUTF8) func refusesInvalidUTF8(bytes: [UInt8]) {
        #expect(refusal(of: Array("{\"a\":\"".utf8) + bytes + Array("\"}".utf8))?.reason == .malformed)
        #expect(refusal(of: Array("{\"".utf8) + bytes + Array("\":1}".utf8))?.reason == .malformed)
        #expect(refusal(of: Array("{}".utf8) + bytes)?.reason == .malformed)
    }

    @Test func refusesOtherEncodings() {
        let text = #"{"a":1}"#
        let little = text.utf8.flatMap { [$0, 0] as [UInt8] }
        let big = text.utf8.flatMap { [0, $0] as [UInt8] }
        let wide = text.utf8.flatMap { [$0, 0, 0, 0] as [UInt8] }
        for bytes in [little, big, wide, [0xFF, 0xFE] + little, [0xFE, 0xFF] + big] {
            #expect(refusal(of: bytes)?.reason == .malformed)
        }
        #expect(refusal(of: [0xEF, 0xBB, 0xBF] + Array(text.utf8))?.description.contains("byte order mark") == true)
    }

    static let duplicates = [
        #"{"a":1,"a":1}"#, #"{"a":1,"\u0061":2}"#, #"{"é":1,"\u00e9":2}"#, #"{"b":{"a":1,"c":2,"a":3}}"#,
        #"{"":1,"":2}"#,
        #"{"b":[{"a":1,"a":2}]}"#, #"{"b":[[[{},{"a":null,"b":{},"a":[]}]]]}"#, #"{"/":1,"\/":2}"#,
        "{" + (0..<5_000).map { "\"k\($0)\":0," }.joined() + "\"k4321\":1}",
        "{" + (0..<13).map { "\"k\($0)\":0," }.joined() + "\"\\u006b0\":1}",
    ]

    @Test(arguments: duplicates) func refusesADuplicateKey(text: String) {
        #expect(refusal(of: text)?.reason == .duplicateKey)
    }

    @Test(arguments: [2, 11, 12, 13, 14, 33, 5_000]) func findsADuplicateAmongManyKeys(count: Int) {
        let keys = (0..<count).map { "key number \($0)" }
        #expect(refusal(of: "{" + keys.map { "\"\($0)\":{}" }.joined(separator: ",") + "}") == nil)
        for (first, second) in [(0, count - 1), (count / 2, count / 2 + 1), (count - 1, 0)] where second < count {
            var keys = keys
            keys[first] = keys[second]
            let text = "{" + keys.map { "\"\($0)\":{}" }.joined(separator: ",") + "}"
            #expect((refusal(of: text)?.reason == .duplicateKey) == (first != second))
        }
    }

    @Test func composedAndDecomposedKeysAreTwo() throws {
        let text = "{\"v\":{\"\u{E9}\":1,\"e\u{301}\":2}}"
        #expect(try decode(Box<Attributes>.self, text).v.entries.map(\.value) == [1, 2])
        #expect(refusal(of: "{\"\u{E9}\":1,\"\u{E9}\":2}")?.reason == .duplicateKey)
    }

    /// Strings that PostgreSQL cannot store. They are read, so that one of them does not lose those beside it.
    static let unusable = [
        #"{"a":"\u0000"}"#, #"{"a":"victim\u0000junk"}"#, #"{"\u0000":1}"#, #"{"a\u0000":1}"#,
        #"{"a":["b",{"c":"\u0000"}]}"#,
        #"{"a":"\\\u0000"}"#, #"{"a":"\ud83d"}"#, #"{"a":"\ude00"}"#, #"{"a":"x\ud83d\u0041"}"#,
        #"{"a":"\ude00\ud83d"}"#,
        #"{"a":"\ud83d😀"}"#, #"{"\ud83d":1}"#, #"{"\ud83d":1,"\ud83e":2,"\u0000":3}"#, #"{"a":"\\\\\\\uDBFF"}"#,
        #"{"a":"\ud83d\ud83d\ude00"}"#,
    ]

    @Test(arguments: unusable) func aStringThatPostgreSQLCannotStoreIsReadAndMarked(text: String) throws {
        func unusable(in value: JSONValue) throws -> Int {
            switch value.kind {
            case .string: return value.isUnusable ? 1 : 0
            case .array: return try value.elements().reduce(0) { $0 + (try unusable(in: $1)) }
            case .object:
                return try value.fields().reduce(0) { $0 + ($1.name.isUnusable ? 1 : 0) + (try unusable(in: $1.value)) }
            default: return 0
            }
        }
        #expect(try JSONReader().read(Array(text.utf8)) { try unusable(in: $0) } > 0)
        #expect(refusal(of: text) == nil)
    }

    @Test func aMarkedStringIsRefusedWithItsPathWhereItIsUsed() throws {
        for bad in [#"a\u0000b"#, #"\ud800"#] {
            let problem = "v has U+0000 or half of a surrogate pair, which text can't contain"
            #expect(complaint(Box<String>.self, #"{"v":"\#(bad)"}"#) == problem)
            #expect(complaint(Box<Identifier>.self, #"{"v":"\#(bad)"}"#) == problem)
            #expect(complaint(Box<[String]>.self, #"{"v":["","\#(bad)"]}"#)?.hasPrefix("v[1] has U+0000") == true)
            #expect(complaint(Box<[Identifier]>.self, #"{"v":["\#(bad)"]}"#)?.hasPrefix("v[0] has U+0000") == true)
            // A list counts them at their positions.
            let list = try decode(Box<IdentifierList>.self, #"{"v":["u-1","\#(bad)","u-2"]}"#).v
            #expect(list.map(\.validity) == [.valid, .controlCharacter, .valid])
            #expect(list[2] == "u-2")
        }
    }

    /// Where a message is invalid, in bytes from 0.
    static let faults: [(String, Int, String)] = [
        ("", 0, "ends too early"), ("[]", 0, "must be an object"), ("{\"a\":b}", 5, "unexpected character"),
        ("{\"a\":1,}", 7, "unexpected character"), ("{\"a\":1} x", 8, "unexpected character"),
        ("{\"a\":\"x\ty\"}", 7, "control character"), ("{\"a\":\"\\x41\"}", 6, "escape"),
        ("{\"é\":\"\\u12\"}", 7, "escape"), ("{\"a\":[1", 7, "ends too early"), ("{\"a\":\"", 6, "ends too early"),
        ("{\"a\":[01]}", 7, "unexpected character"), ("{\"a\":[1e400]}", 6, "too large"),
        ("{\"a\":[9007199254740993]}", 6, "±2^53"), ("{\"a\":1,\"b\":{\"c\":1,\"d\":2,\"c\":3}}", 24, "duplicate key"),
    ]

    @Test(arguments: faults) func errorsSayWhatIsWrongAndWhere(text: String, offset: Int, says: String) {
        let error = refusal(of: text)
        #expect(error?.offset == offset)
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
        #expect(error?.description.hasSuffix("at byte \(offset)") == true)
    }

    @Test func onlyInvalidUTF8IsReportedAsSuch() {
        let error = refusal(of: Array("{\"a\":\"é".utf8) + [0xFF] + Array("\"}".utf8))
        #expect(error?.description == "the message is not valid UTF-8, at byte 8")
        for text in Self.malformed where !text.unicodeScalars.contains("\u{FEFF}") {
            #expect(refusal(of: text)?.description.contains("UTF-8") == false, "\(text)")
        }
    }

    /// Invalid messages, and the id with which their sender is answered; nil if the id would be a guess.
    static let ids: [(String, Int64?)] = [
        (#"{"id":7,"body":{"a":b}}"#, 7), (#"{"body":{"a":b},"id":7}"#, nil), (#"{"body":{"a":"\x"},"id":7}"#, 7),
        ("{\"body\":{\"a\":\"\t\"},\"id\":7}", 7), (#"{"body":{"a":1e400},"id":7}"#, 7),
        (#"{"body":{"a":1,"a":2},"id":7}"#, 7), (#"{"body":{"id":8},"id":7,"x":}"#, 7),
        (#"{"body":{"id":8},"x":}"#, nil), (#"{"id":7,"id":7,"x":}"#, nil), (#"{"id":7,"id":8}"#, nil),
        (#"{"id":7,"i\u0064":8,"x":}"#, nil), (#"{"id":7}{"id":8}"#, nil), (#"{"id":7"#, nil), (#"{"id":7,"#, 7),
        (#"{"id":7x}"#, nil), (#"{"id":"7","x":}"#, nil), (#"{"id":-7,"x":}"#, nil), (#"{"id":[7],"x":}"#, nil),
        (#"{"id":9007199254740992,"x":}"#, 9_007_199_254_740_992), (#"{"id":9007199254740993,"x":}"#, nil),
        (#"{"id":7,"body":{"a":"x}}"#, 7), (#"[{"id":7,"x":}]"#, nil),
    ]

    @Test(arguments: ids) func anErrorHasTheIDWhereItIsUnambiguous(text: String, id: Int64?) {
        let error = refusal(of: text)
        #expect(error != nil)
        #expect(error?.requestID == id)
    }

    static let bigIntegers = [
        "9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
        "18446744073709551615",
    ]

    @Test(arguments: bigIntegers) func refusesIntegersThatADoubleWouldRound(text: String) {
        #expect(refusal(of: "{\"a\":\(text)}")?.reason == .outOfRange)
    }

    private struct Wide: Decodable {
        let a: LooseID
    }

    /// REST clients send ids as numbers. Only ids accept such large integers.
    @Test(arguments: bigIntegers) func largeIntegersAreGivenToIDsOnly(text: String) throws {
        let bytes = Array("{\"a\":\(text),\"b\":[1]}".utf8)
        try JSONReader(takesWideIntegers: true).read(bytes) { message in
            let value = try #require(message.field("a"))
            #expect(value.kind == .number)
            let double = try value.double()
            let written = try #require(Double(text))
            #expect(abs(double) > 0x1p53 && abs(double - written) <= 2)
            #expect(throws: JSONError.self) { try value.integer(Int64.self) }
            #expect(AttributeValue(value) == .number(double))
            #expect(message.field("b").map { RawJSON($0).text } == "[1]")
            let id = try? JSONDecoding.decode(Wide.self, from: message).a.id
            #expect(id?.text == (Int64(text) == nil ? nil : text))
        }
    }

    @Test(arguments: [
        "1e309", "-1e309", "18446744073709551616", "-9223372036854775809", "123456789012345678901234567890", "1E+999",
    ])
    func aLenientReaderReadsANumberThatNoTypeHolds(text: String) throws {
        let bytes = Array("{\"a\":\(text),\"b\":\"1e309 \\\" 1e309 \\ud800\",\"c\":[\(text)]}".utf8)
        #expect(refusal(of: bytes)?.reason == .malformed)
        try JSONReader(takesWideIntegers: true).read(bytes) { message in
            let value = try #require(message.field("a"))
            #expect(try value.double() == (text.hasPrefix("-") ? -1e308 : 1e308))
            #expect((try? JSONDecoding.decode(Wide.self, from: message)) == nil)
            #expect(message.field("c")?.count == 1)
            #expect(message.field("b")?.withUnsafeBytes { $0.starts(with: Array("1e309 \" 1e309 ".utf8)) } == true)
        }
        for wrong in ["0\(text)", "\(text)x", "+\(text)", "\(text)."] {
            #expect(throws: JSONError.self) {
                try JSONReader(takesWideIntegers: true).read(Array("{\"a\":\(wrong)}".utf8)) { _ in }
            }
        }
    }

    @Test(arguments: [("7", "7"), ("7.0", "7"), ("\"x\"", "x"), ("7.5", nil), ("true", nil), ("null", nil)])
    func anIDIsAStringOrAWholeNumber(text: String, id: String?) throws {
        let found = try? JSONDecoding.decode(Wide.self, from: Array("{\"a\":\(text)}".utf8)).a.id
        #expect(found?.text == id)
    }

    @Test func depthIsBounded() {
        func nested(_ depth: Int) -> [UInt8] {
            Array("{\"a\":".utf8) + Array(repeating: UInt8(ascii: "["), count: depth - 1)
                + Array(repeating: UInt8(ascii: "]"), count: depth - 1) + Array("}".utf8)
        }
        func objects(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "{\"a\":", count: depth) + "1" + String(repeating: "}", count: depth)).utf8)
        }
        for depth in [2, 16, 96, 1_000] {
            #expect(refusal(of: nested(depth), depth: depth) == nil)
            #expect(refusal(of: objects(depth), depth: depth) == nil)
            #expect(refusal(of: nested(depth + 1), depth: depth)?.reason == .tooDeep)
            #expect(refusal(of: objects(depth + 1), depth: depth)?.reason == .tooDeep)
        }
        #expect(refusal(of: nested(1_000_000))?.reason == .tooDeep)
        #expect(refusal(of: Array(repeating: UInt8(ascii: "["), count: 1_000_000))?.reason != nil)
        #expect(refusal(of: Array(String(repeating: "{\"a\":", count: 200_000).utf8))?.reason != nil)
    }

    @Test func valuesAreBounded() {
        func ones(_ count: Int) -> [UInt8] {
            Array(("{\"a\":[" + Array(repeating: "1", count: count).joined(separator: ",") + "]}").utf8)
        }
        #expect(refusal(of: ones(98), values: 100) == nil)  // including the object and the array
        #expect(refusal(of: ones(99), values: 100)?.reason == .tooMany)
        #expect(refusal(of: ones(199_998)) == nil)
        #expect(refusal(of: ones(199_999))?.reason == .tooMany)
        #expect(refusal(of: ones(2_000_000))?.reason == .tooMany)
    }

    @Test func manyKeysCostNoMoreThanManyValues() {
        let keys = "{" + (0..<190_000).map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        let time = ContinuousClock().measure { #expect(refusal(of: keys) == nil) }
        // 14 ms in a release build; a quadratic check would take minutes on any machine.
        #expect(time < .seconds(30))
    }

    @Test func aReaderCanBeUsedAgainAfterAnError() throws {
        let reader = JSONReader(depth: 8, values: 50)
        for text in ["{", #"{"a":1,"a":2}"#, #"{"b":{"a":1,"a":2}}"#, #"{"a":[[[[[[[[[]]]]]]]]]}"#, #"{"a":"\x0000"}"#]
        {
            #expect(throws: JSONError.self) { try reader.read(Array(text.utf8)) { _ in } }
            let count = try reader.read(Array(#"{"a":1,"b":[]}"#.utf8)) { $0.count }
            #expect(count == 2)
        }
    }

    @Test func aReaderInUseIsRefused() throws {
        let reader = JSONReader()
        let error = try reader.read(Array("{}".utf8)) { _ in
            #expect(throws: JSONError.self) { try reader.read(Array("{}".utf8)) { _ in } }
        }
        #expect(error != nil && error?.reason == nil)
        try reader.read(Array("{}".utf8)) { _ in }
    }

    @Test func everyTruncatedMessageIsRefused() {
        let text = Array(#"{"id":7,"m":"é\n\u00e9","n":[1.5e3,-2,{}],"o":{"p":null,"q":[true,false]}}"#.utf8)
        #expect(refusal(of: text) == nil)
        for count in 0..<text.count { #expect(refusal(of: Array(text.prefix(count))) != nil) }
    }
}
