import Testing

@testable import Cryptography

/// Against the examples of the standards: what is stored must be read by every later release.
struct DigestTests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func sha256IsThatOfFIPS180(_ text: String, _ digest: String) throws {
        #expect(try SHA256.digest(of: Array(text.utf8)) == bytes(digest))
    }

    @Test func sha256OfAMillionBytes() throws {
        let digest = bytes("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        #expect(try SHA256.digest(of: [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)) == digest)
    }

    @Test func threadsShareTheAlgorithm() async throws {
        let digest = try SHA256.digest(of: [1, 2, 3])
        try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    let same = try (0..<1_000).map { _ in try SHA256.digest(of: [1, 2, 3]) }
                    #expect(same.allSatisfy { $0 == digest })
                }
            }
            try await group.waitForAll()
        }
    }

    @Test(arguments: [
        (
            [UInt8](repeating: 0x0B, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xAA, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func hmacIsThatOfRFC4231(_ key: [UInt8], _ text: String, _ code: String) throws {
        #expect(try HMAC.code(of: Array(text.utf8), key: key) == bytes(code))
    }

    @Test(arguments: [
        (
            [UInt8](repeating: 0x0B, count: 22), Array(0x00...0x0C), Array(0xF0...0xF9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        ),
        (
            Array(0x00...0x4F), Array(0x60...0xAF), Array(0xB0...0xFF),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
        (
            [UInt8](repeating: 0x0B, count: 22), [UInt8](), [UInt8](),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        ),
    ])
    func hkdfIsThatOfRFC5869(_ key: [UInt8], _ salt: [UInt8], _ info: [UInt8], _ derived: String) throws {
        let derived = bytes(derived)
        #expect(try HKDF.key(from: key, salt: salt, info: info, byteCount: derived.count) == derived)
    }

    @Test func hkdfGivesAsManyBytesAsTheStandardAllows() throws {
        for count in [0, 1, 32, 33, HKDF.maxBytes] {
            #expect(try HKDF.key(from: [1], info: [], byteCount: count).count == count)
        }
        for count in [-1, HKDF.maxBytes + 1, .max] {
            #expect(throws: CryptographyError.keyLength) { try HKDF.key(from: [1], info: [], byteCount: count) }
        }
    }
}

/// The bytes that hexadecimal digits stand for.
func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
