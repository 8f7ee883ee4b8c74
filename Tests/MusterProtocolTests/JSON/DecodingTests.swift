import MusterProtocol
import Testing

@Suite struct DecodingTests {
    @Test func errorsNamePathAndKindNeverTheValue() {
        let cases = [
            (#"{"partner":4711,"cohort_changes":[]}"#, "partner must be a string, and is a number"),
            (#"{"cohort_changes":[]}"#, "partner is missing"),
            (#"{"partner":null,"cohort_changes":[]}"#, "partner must be a string, and is null"),
            (#"{"partner":"p"}"#, "cohort_changes is missing"),
            (#"{"partner":"p","cohort_changes":{}}"#, "cohort_changes must be an array, and is an object"),
            (#"{"partner":"p","cohort_changes":[7]}"#, "cohort_changes[0] must be an object, and is a number"),
            (
                #"{"partner":"p","cohort_changes":[{"user_ids":["a","b","c",{"x":[1]}]}]}"#,
                "cohort_changes[0].user_ids[3] must be a string, and is an object"
            ),
            (
                #"{"x":{"y":[1]},"partner":"p","cohort_changes":[{},{"should_remove":"secret"}]}"#,
                "cohort_changes[1].should_remove must be true or false, and is a string"
            ),
            (
                #"{"partner":"p","cohort_changes":[[],{}]}"#,
                "cohort_changes[0] must be an object, and is an array"
            ),
        ]
        for (text, sentence) in cases { #expect(complaint(Import.self, text) == sentence) }
    }

    @Test func pathsBeginAtTheDecodedValue() throws {
        try JSONReader().read(Array(#"{"id":1,"body":{"partner":1}}"#.utf8)) { message in
            let body = try #require(message.field("body"))
            let error = #expect(throws: JSONError.self) { try JSONDecoding.decode(Import.self, from: body) }
            #expect(error?.path == "partner")
            #expect(error?.reason == .wrongType)
            #expect(body.field("partner")?.path == "body.partner")
        }
    }

    @Test func pathsDoNotRepeatKeysThatMayBeData() {
        #expect(complaint(Box<[String: Int]>.self, #"{"v":{"someone@example.com":"x"}}"#)?.contains("someone") == false)
        let long = String(repeating: "k", count: 65)
        #expect(complaint(Box<[String: Int]>.self, #"{"v":{"\#(long)":"x"}}"#)?.contains(long) == false)
    }

    enum Colour: String, Codable { case red, blue }

    @Test func errorsOfTheLibraryDoNotQuoteTheValue() {
        #expect(
            complaint(Box<[Colour]>.self, #"{"v":["red","secret"]}"#)
                == "v[1] is not one of the values that it may have")
        #expect(complaint(Box<Colour>.self, #"{"v":1}"#) == "v must be a string, and is a number")
    }

    static let whole: [(String, Int64?)] = [
        ("0", 0), ("-0", 0), ("-0.0", 0), ("1.0", 1), ("1e2", 100), ("-1.5e1", -15), ("9007199254740992", 1 << 53),
        ("-9007199254740992.0", -(1 << 53)), ("9007199254740992.0", 1 << 53), ("1.5", nil), ("1e-1", nil),
        ("1e300", nil),
        ("-1e300", nil), ("9007199254740994.0", nil), ("1e16", nil), ("5e-324", nil), ("\"1\"", nil), ("true", nil),
        ("null", nil), ("[]", nil), ("{}", nil), ("9.2e18", nil), ("1e19", nil),
    ]

    @Test(arguments: whole) func integersAreWholeInEveryNotation(text: String, value: Int64?) {
        #expect((try? decode(Box<Int64>.self, "{\"v\":\(text)}").v) == value)
        #expect((try? decode(Box<Int>.self, "{\"v\":\(text)}").v) == value.map(Int.init))
        #expect((try? decode(Box<[Int64]>.self, "{\"v\":[\(text)]}").v.first) == value)
    }

    @Test func integersStayInTheRangeOfTheirType() throws {
        #expect(try decode(Box<Int8>.self, #"{"v":-128}"#).v == -128)
        #expect(complaint(Box<Int8>.self, #"{"v":128}"#) == "v must be a whole number from -128 to 127")
        #expect(complaint(Box<UInt8>.self, #"{"v":-1}"#) == "v must be a whole number from 0 to 255")
        #expect(complaint(Box<UInt>.self, #"{"v":-1}"#) == "v must be a whole number from 0 to 9007199254740992")
        #expect(complaint(Box<Int32>.self, #"{"v":2147483648}"#)?.contains("-2147483648 to 2147483647") == true)
        #expect(complaint(Box<Int32>.self, #"{"v":1e300}"#) == "v must be a whole number within ±2^53")
        #expect(complaint(Box<Int>.self, #"{"v":1.5}"#) == "v must be a whole number within ±2^53")
        #expect(complaint(Box<Int16>.self, #"{"v":65536}"#) != nil)
        #expect(complaint(Box<UInt16>.self, #"{"v":65536}"#) != nil)
        #expect(complaint(Box<UInt32>.self, #"{"v":4294967296}"#) != nil)
        #expect(try decode(Box<UInt64>.self, #"{"v":9007199254740992}"#).v == 1 << 53)
    }

    @Test func floatsAreFinite() throws {
        #expect(try decode(Box<Double>.self, #"{"v":1e308}"#).v == 1e308)
        #expect(try decode(Box<Double>.self, #"{"v":3}"#).v == 3)
        #expect(try decode(Box<Float>.self, #"{"v":0.1}"#).v == 0.1)
        #expect(complaint(Box<Float>.self, #"{"v":1e308}"#) == "v must be a number in the range of a Float")
    }

    struct Optionals: Codable, Equatable {
        var text: String?
        var flag: Bool?
        var count: Int?
        var long: Int64?
        var small: Int32?
        var ratio: Double?
        var user: Identifier?
        var users: IdentifierList?
        var raw: RawJSON?
    }

    @Test func nullAndAbsentAreTheSameToAnOptional() throws {
        let nulls = ["text", "flag", "count", "long", "small", "ratio", "user", "users", "raw"].map { "\"\($0)\":null" }
        #expect(try decode(Optionals.self, "{\(nulls.joined(separator: ","))}") == Optionals())
        #expect(try decode(Optionals.self, #"{"unknown":[{"x":1}]}"#) == Optionals())
        #expect(try decode(Box<[Int?]>.self, #"{"v":[1,null,3]}"#).v == [1, nil, 3])
        #expect(complaint(Optionals.self, #"{"small":"1"}"#) == "small must be a whole number, and is a string")
    }

    @Test func fieldsAreFoundInAnyOrder() throws {
        let fields = ["\"text\":\"t\"", "\"flag\":true", "\"count\":1", "\"x\":{\"text\":1}", "\"long\":2"]
        for shift in 0..<fields.count {
            let order = fields[shift...] + fields[..<shift]
            for order in [Array(order), order.reversed()] {
                let value = try decode(Optionals.self, "{\(order.joined(separator: ","))}")
                #expect(value == Optionals(text: "t", flag: true, count: 1, long: 2))
            }
        }
    }

    @Test func aCallWithoutBodyHasNoFields() throws {
        #expect(try JSONDecoding.decode(Optionals.self, from: JSONValue?.none) == Optionals())
        let error = #expect(throws: JSONError.self) { try JSONDecoding.decode(Import.self, from: JSONValue?.none) }
        #expect(error?.description == "partner is missing")
    }

    @Test func aDictionaryOfManyKeysIsReadInOnePass() throws {
        let text = "{\"v\":{" + (0..<50_000).map { "\"\($0)\":\($0)" }.joined(separator: ",") + "}}"
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try decode(Box<[String: Int]>.self, text).v["49999"] == 49_999)
        let time = clock.now - start
        #expect(time < .seconds(10))  // 30 ms in a release build; lookups from the start would take minutes
    }

    class Base: Codable { var a = 1 }
    final class Derived: Base {
        var b = 2
        enum CodingKeys: CodingKey { case b }
        override init() { super.init() }
        required init(from decoder: any Decoder) throws {
            b = try decoder.container(keyedBy: CodingKeys.self).decode(Int.self, forKey: .b)
            try super.init(from: decoder)
        }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(b, forKey: .b)
            try super.encode(to: encoder)
        }
    }

    @Test func aClassAndItsParentShareAnObject() throws {
        let value = Derived()
        value.a = 3
        value.b = 4
        #expect(try encode(value) == #"{"b":4,"a":3}"#)
        #expect(try decode(Derived.self, #"{"a":5,"b":6}"#).a == 5)
    }

    @Test func manyTasksReadAtOnce() async throws {
        let bytes = try JSONEncoding.encode(Box(v: IdentifierList((0..<100).map { Identifier("u-\($0)") })))
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<200 {
                group.addTask { try JSONDecoding.decode(Box<IdentifierList>.self, from: bytes).v.count }
            }
            for try await count in group { #expect(count == 100) }
        }
    }
}
