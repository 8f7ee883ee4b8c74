import MusterProtocol
import Testing

@Suite struct FrameTests {
    /// A limit of this many bytes.
    static func bytes(_ count: Int) -> Limit { Limits.frame.set(to: count) }

    static func frame(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        FrameHeader(length: text.utf8.count).append(to: &bytes)
        return bytes + Array(text.utf8)
    }

    @Test(arguments: 1...31) func aMessageIsReadInAnyPieces(piece: Int) throws {
        let texts = [#"{"ping":1}"#, "", "x", String(repeating: "long", count: 100), #"{"cancel":7}"#]
        let stream = texts.flatMap(Self.frame)
        for cut in piece == 1 ? 0..<stream.count : 0..<1 {
            var decoder = FrameDecoder(limit: Self.bytes(400))
            var found: [String] = []
            let starts = piece == 1 ? [0, cut] : Array(stride(from: 0, to: stream.count, by: piece))
            for (start, end) in zip(starts, starts.dropFirst() + [stream.count]) {
                decoder.append(Array(stream[start..<end]))
                while let text = try decoder.next({ String(decoding: $0, as: UTF8.self) }) { found.append(text) }
            }
            #expect(found == texts)
            #expect(decoder.pending == 0)
        }
    }

    @Test(arguments: UInt8(1)...255) func anyFlagIsRefusedByTheFirstByte(flags: UInt8) {
        for rest in [[], [0, 0, 0, 2], [0, 0, 0, 2, 0x7B, 0x7D], [255, 255, 255, 255]] as [[UInt8]] {
            var decoder = FrameDecoder(limit: Self.bytes(100))
            decoder.append([flags] + rest)
            #expect(throws: FrameError.unknownFlags(flags)) { try decoder.next { _ in } }
        }
    }

    @Test func theClaimedLengthIsCheckedBeforeTheBodyArrives() throws {
        let cases: [([UInt8], Int)] = [
            ([0, 0, 0, 0x40, 1], 0x4001), ([0, 0x7F, 0xFF, 0xFF, 0xFF], Int(Int32.max)), ([0, 0x80, 0, 0, 0], 1 << 31),
            ([0, 0xFF, 0xFF, 0xFF, 0xFF], Int(UInt32.max)),
        ]
        for (header, length) in cases {
            var decoder = FrameDecoder(limit: Self.bytes(0x4000))
            decoder.append(header)
            #expect(throws: FrameError.tooLong(length: length, limit: Self.bytes(0x4000))) { try decoder.next { _ in } }
            #expect(decoder.pending == 5)
        }
        var decoder = FrameDecoder(limit: Self.bytes(0x4000))
        decoder.append([0, 0, 0, 0x40, 0])
        #expect(try decoder.next { _ in } == nil)
        #expect(try FrameHeader(flags: 0, length: 0x4000, limit: Self.bytes(0x4000)).length == 0x4000)
        for count in 0..<5 {
            let header = try Array([0, 0xFF, 0xFF, 0xFF, 0xFF].prefix(count) as ArraySlice<UInt8>)
                .withUnsafeBytes { try FrameHeader($0, limit: Self.bytes(10)) }
            #expect(header == nil)
        }
    }

    @Test func theLimitMayGrowBetweenMessages() throws {
        var decoder = FrameDecoder(limit: Self.bytes(10))
        decoder.append(Self.frame("0123456789") + Self.frame("0123456789A"))
        #expect(try decoder.next { $0.count } == 10)
        #expect(throws: FrameError.self) { try decoder.next { $0.count } }
        decoder.limit = Self.bytes(11)
        #expect(try decoder.next { $0.count } == 11)
    }

    @Test func aMessageIsConsumedEvenIfItsReaderThrows() throws {
        struct Stop: Error {}
        var decoder = FrameDecoder(limit: Self.bytes(10))
        decoder.append(Self.frame("a") + Self.frame("b"))
        #expect(throws: Stop.self) { try decoder.next { _ in throw Stop() } }
        #expect(try decoder.next { $0[0] } == UInt8(ascii: "b"))
    }

    @Test func anEncodedFrameStaysUnderItsLimit() throws {
        var bytes: [UInt8] = [9]
        try FrameEncoder.append(replyTo: 1, body: Box(v: "xx"), limit: Self.bytes(26), to: &bytes)
        #expect(bytes == [9] + Self.frame(#"{"id":1,"body":{"v":"xx"}}"#))
        #expect(throws: FrameError.tooLong(length: 27, limit: Self.bytes(26))) {
            try FrameEncoder.append(replyTo: 1, body: Box(v: "xxx"), limit: Self.bytes(26), to: &bytes)
        }
        #expect(throws: JSONError.self) { try FrameEncoder.append(replyTo: 1, body: Box(v: Double.nan), to: &bytes) }
        #expect(bytes.count == 1 + 5 + 26)
    }
}
