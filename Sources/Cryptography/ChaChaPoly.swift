import CLibcrypto

/// ChaCha20-Poly1305 (RFC 8439): encrypts, and detects changes of the bytes or their context.
///
/// Sealed bytes are a nonce of 12 bytes, the ciphertext of the same length as the plaintext, and a tag of 16.
public enum ChaChaPoly {
    /// Bytes of a key.
    public static let keyLength = 32
    private static let nonceLength = 12
    private static let tagLength = 16

    /// Seals `bytes`; `open` needs the same key and the same context. The nonce is random.
    public static func seal(
        _ bytes: [UInt8], key: [UInt8], context: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        let nonce = (0..<nonceLength).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        return try seal(bytes, key: key, nonce: nonce, context: context)
    }

    /// As above, with a given nonce, which must be unique for this key.
    static func seal(
        _ bytes: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        let cipher = try Cipher()
        try cipher.begin(.seal, key: key, nonce: nonce)
        try cipher.authenticate(context)
        let sealed = try cipher.process(bytes)
        try require(cipher.finish(), or: Cipher.unavailable)
        return nonce + sealed + (try cipher.tag(ofLength: tagLength))
    }

    /// Opens the result of `seal`. Throws if it was changed, truncated, or sealed with another key or context.
    public static func open(
        _ sealed: [UInt8], key: [UInt8], context: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        guard sealed.count >= nonceLength + tagLength else { throw .notAuthentic }
        let cipher = try Cipher()
        try cipher.begin(.open, key: key, nonce: Array(sealed.prefix(nonceLength)))
        try cipher.authenticate(context)
        let opened = try cipher.process(Array(sealed.dropFirst(nonceLength).dropLast(tagLength)))
        try cipher.expect(tag: Array(sealed.suffix(tagLength)))
        try require(cipher.finish(), or: .notAuthentic)
        return opened
    }
}

/// One sealing or opening.
private struct Cipher: ~Copyable {
    enum Direction: Int32 {
        case open = 0
        case seal = 1
    }

    static let unavailable = CryptographyError.unavailable(algorithm: "ChaCha20-Poly1305")

    private let state: OpaquePointer

    init() throws(CryptographyError) {
        guard let state = EVP_CIPHER_CTX_new() else { throw Self.unavailable }
        self.state = state
    }

    deinit { EVP_CIPHER_CTX_free(state) }

    borrowing func begin(_ direction: Direction, key: [UInt8], nonce: [UInt8]) throws(CryptographyError) {
        guard key.count == ChaChaPoly.keyLength else { throw .keyLength }
        try require(
            EVP_CipherInit_ex(state, EVP_chacha20_poly1305(), nil, key, nonce, direction.rawValue),
            or: Self.unavailable)
    }

    borrowing func authenticate(_ context: [UInt8]) throws(CryptographyError) {
        // libcrypto treats empty input as the end of all input.
        if context.isEmpty { return }
        guard let count = Int32(exactly: context.count) else { throw Self.unavailable }
        var length: Int32 = 0
        try require(EVP_CipherUpdate(state, nil, &length, context, count), or: Self.unavailable)
    }

    borrowing func process(_ bytes: [UInt8]) throws(CryptographyError) -> [UInt8] {
        if bytes.isEmpty { return [] }
        guard let count = Int32(exactly: bytes.count) else { throw Self.unavailable }
        var output = [UInt8](repeating: 0, count: bytes.count)
        var length: Int32 = 0
        try require(EVP_CipherUpdate(state, &output, &length, bytes, count), or: Self.unavailable)
        return output
    }

    borrowing func expect(tag: [UInt8]) throws(CryptographyError) {
        var tag = tag
        try require(
            EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag), or: Self.unavailable)
    }

    /// Returns 1 on success. Opening succeeds only if the tag matches, compared in constant time.
    borrowing func finish() -> Int32 {
        var nothing: [UInt8] = [0]
        var length: Int32 = 0
        return EVP_CipherFinal_ex(state, &nothing, &length)
    }

    borrowing func tag(ofLength length: Int) throws(CryptographyError) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: length)
        try require(
            EVP_CIPHER_CTX_ctrl(state, EVP_CTRL_AEAD_GET_TAG, Int32(length), &tag), or: Self.unavailable)
        return tag
    }
}
