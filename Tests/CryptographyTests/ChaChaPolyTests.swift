import Testing

@testable import Cryptography

struct ChaChaPolyTests {
    private let key = Array(UInt8(0x80)...0x9F)
    private let text = Array(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
            .utf8)
    private let context = bytes("50515253c0c1c2c3c4c5c6c7")
    private let nonce = bytes("070000004041424344454647")
    /// Of RFC 8439, section 2.8.2: the nonce, the cipher text, the tag.
    private let sealed = bytes(
        """
        070000004041424344454647
        d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
        3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
        92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
        3ff4def08e4b7a9de576d26586cec64b6116
        1ae10b594f09e26a7e902ecbd0600691
        """)

    @Test func sealedBytesAreThoseOfRFC8439() throws {
        #expect(try ChaChaPoly.seal(text, key: key, nonce: nonce, context: context) == sealed)
        #expect(try ChaChaPoly.open(sealed, key: key, context: context) == text)
    }

    /// Page tokens of listings that went on while servers were updated.
    @Test func bytesThatSwiftCryptoSealedOpen() throws {
        let sealed = bytes("eb5a9a2a756b976a6a484f3c630a1f56432aa90ead02e3a0c4e70991dc21")
        let opened = try ChaChaPoly.open(sealed, key: Array(0..<32), context: Array("1 users.list {}".utf8))
        #expect(opened == Array("42".utf8))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 64, 65, 100_000])
    func sealedBytesOpen(_ count: Int) throws {
        let text = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        for context in [[], text] {
            let sealed = try ChaChaPoly.seal(text, key: key, context: context)
            #expect(sealed.count == count + 28)
            #expect(try ChaChaPoly.open(sealed, key: key, context: context) == text)
        }
    }

    @Test func noTwoSealingsShareTheirNonce() throws {
        let nonces = try (0..<1_000).map { _ in try ChaChaPoly.seal([], key: key, context: []).prefix(12) }
        #expect(Set(nonces).count == 1_000)
    }

    @Test func aChangedBitIsNoticed() throws {
        for index in sealed.indices {
            for bit in 0..<8 {
                var changed = sealed
                changed[index] ^= 1 << bit
                expectRefusal(changed, key, context)
            }
        }
    }

    @Test func missingAndExtraBytesAreNoticed() throws {
        for count in sealed.indices { expectRefusal(Array(sealed.prefix(count)), key, context) }
        expectRefusal(sealed + [0], key, context)
    }

    @Test func anotherKeyOrContextDoesNotOpen() throws {
        expectRefusal(sealed, key.reversed(), context)
        for other in [[], context + [0], context.dropLast()] { expectRefusal(sealed, key, other) }
    }

    @Test func aKeyOfAnotherLengthIsRefused() throws {
        for count in [0, 16, 31, 33, 64] {
            let key = [UInt8](repeating: 1, count: count)
            #expect(throws: CryptographyError.keyLength) { try ChaChaPoly.seal(text, key: key, context: []) }
            #expect(throws: CryptographyError.keyLength) { try ChaChaPoly.open(sealed, key: key, context: context) }
        }
    }

    private func expectRefusal(_ sealed: [UInt8], _ key: [UInt8], _ context: [UInt8]) {
        #expect(throws: CryptographyError.notAuthentic) { try ChaChaPoly.open(sealed, key: key, context: context) }
    }
}
