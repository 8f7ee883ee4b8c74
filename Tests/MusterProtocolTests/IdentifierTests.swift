import MusterProtocol
import Testing

@Suite struct IdentifierTests {
    @Test func composedAndDecomposedAreTwoIdentifiers() throws {
        let composed = Identifier("\u{E9}")
        let decomposed = Identifier("e\u{301}")
        #expect(composed.text == decomposed.text)
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        let list = try decode(Box<IdentifierList>.self, "{\"v\":[\"\u{E9}\",\"e\u{301}\",\"\\u00e9\"]}").v
        #expect(Set(list).count == 2)
        #expect(list[0] == list[2])
    }

    @Test func identifiersAreOrderedByTheirBytes() {
        let sorted: [Identifier] = ["", "B", "a", "a\u{1}", "aa", "ab", "b", "z", "\u{E9}", "\u{FFFF}", "\u{10000}"]
        for (i, a) in sorted.enumerated() {
            for (j, b) in sorted.enumerated() {
                #expect((a < b) == (i < j))
                #expect((a == b) == (i == j))
            }
        }
    }

    @Test func identifiersAreNeverPrinted() throws {
        let user: Identifier = "someone@example.com"
        let list: IdentifierList = ["someone@example.com", "u-2"]
        let attributes: Attributes = ["someone": "someone@example.com", "age": 7]
        struct Call {
            var user: Identifier, list: IdentifierList, attributes: Attributes, raw: RawJSON, users: [Identifier]
        }
        let raw = try RawJSON(encoding: list)
        let call = Call(user: user, list: list, attributes: attributes, raw: raw, users: [user])
        var dumped = ""
        dump(call, to: &dumped)
        dump(attributes.entries, to: &dumped)
        for text in [
            "\(call)", String(reflecting: call), "\([user])", String(reflecting: raw), dumped, "\(list.first!)",
        ] {
            #expect(!text.contains("someone@"))
        }
        #expect("\(user)" == "‹identifier›")
    }

    @Test func aStringThatCannotBeAnIdentifierIsReadAndMarked() throws {
        let cases: [(Identifier, Identifier.Validity)] = [
            ("", .empty), ("u", .valid), (Identifier(bytes: Array(repeating: 0x61, count: 1_024)), .valid),
            (Identifier(bytes: Array(repeating: 0x61, count: 1_025)), .tooLong), ("a\u{1F}", .controlCharacter),
            ("\u{7F}", .controlCharacter), ("a b", .valid), ("\u{80}", .valid), ("\n", .controlCharacter),
            ("é😀", .valid),
        ]
        for (identifier, validity) in cases {
            #expect(identifier.validity == validity)
            let json = try JSONEncoding.encode(Box(v: identifier))
            #expect(try JSONDecoding.decode(Box<Identifier>.self, from: json).v == identifier)
        }
    }

    @Test func aListIsItsElementsInOnePieceOfMemory() throws {
        var list: IdentifierList = ["u-1", "", "é"]
        #expect(list.bytes == Array("u-1é".utf8))
        #expect(list.ends == [3, 3, 5])
        #expect(Array(list) == ["u-1", "", "é"])
        list.append("x")
        Array("yz".utf8).withUnsafeBytes { list.append($0) }
        #expect(list.count == 5)
        #expect(list.withBytes(at: 4) { Array($0) } == Array("yz".utf8))
        #expect(list.withBytes(at: 1) { $0.count } == 0)
        #expect(list.last == "yz")
        #expect(list != ["u-1", "é", "x", "yz"])
        #expect(IdentifierList(["ab", "c"]) != IdentifierList(["a", "bc"]))
        #expect(try encode(list) == #"["u-1","","é","x","yz"]"#)
    }

    @Test(arguments: [[], [""], ["", ""], ["a"], ["", "a", ""], ["\u{1}\"\\é😀"]] as [[String]])
    func listsOfAnySizeSurviveTheWire(texts: [String]) throws {
        let list = IdentifierList(texts.map { Identifier($0) })
        let json = try JSONEncoding.encode(Box(v: list))
        #expect(try JSONDecoding.decode(Box<IdentifierList>.self, from: json).v == list)
        #expect(try JSONDecoding.decode(Box<[Identifier]>.self, from: json).v == Array(list))
        #expect(try JSONDecoding.decode(Box<[String]>.self, from: json).v == texts)
        #expect(try JSONEncoding.encode(Box(v: texts)) == json)
        #expect(try JSONEncoding.encode(Box(v: Array(list))) == json)
    }

    @Test func fiftyThousandAreReadAtOnce() throws {
        let list = IdentifierList((0..<50_000).map { Identifier("user-\($0)") })
        let json = try JSONEncoding.encode(Box(v: list))
        #expect(try JSONDecoding.decode(Box<IdentifierList>.self, from: json).v == list)
        #expect(complaint(Box<IdentifierList>.self, #"{"v":["a",1]}"#) == "v[1] must be a string, and is a number")
        #expect(complaint(Box<[Identifier]>.self, #"{"v":["a",null]}"#) == "v[1] must be a string, and is null")
        #expect(complaint(Box<[String]>.self, #"{"v":["a",{}]}"#) == "v[1] must be a string, and is an object")
    }

    @Test func attributesKeepTheirOrderAndKinds() throws {
        let text = #"{"b":null,"a":true,"é":1,"c":1.5,"d":"s","e":["x","y"],"f":[],"g":["x",1],"h":{"i":2},"j":3.0}"#
        let attributes = try decode(Attributes.self, text)
        #expect(attributes.entries.map { String(decoding: $0.name, as: UTF8.self) }.joined() == "baécdefghj")
        #expect(attributes["b"] == .null)
        #expect(attributes["c"] == .number(1.5))
        #expect(attributes["e"] == .strings([Array("x".utf8), Array("y".utf8)]))
        #expect(attributes["f"] == .strings([]))
        #expect(attributes["g"] == .other(try RawJSON(encoding: decode(Box<RawJSON>.self, #"{"v":["x",1]}"#).v)))
        #expect(attributes["j"] == 3)
        #expect(attributes["e\u{301}"] == nil)
        #expect(try encode(attributes) == text.replacing("3.0", with: "3"))
        #expect(complaint(Box<Attributes>.self, #"{"v":[]}"#) == "v must be an object, and is an array")
    }
}
