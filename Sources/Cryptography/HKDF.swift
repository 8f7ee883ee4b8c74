import CLibcrypto

/// HMAC with SHA-256 (RFC 2104).
enum HMAC {
    static func code(of bytes: [UInt8], key: [UInt8]) throws(CryptographyError) -> [UInt8] {
        guard let keyLength = Int32(exactly: key.count) else { throw .keyLength }
        var code = [UInt8](repeating: 0, count: SHA256.byteCount)
        let made = CLibcrypto.HMAC(EVP_sha256(), key, keyLength, bytes, bytes.count, &code, nil)
        try require(made == nil ? 0 : 1, or: .unavailable(algorithm: "HMAC-SHA-256"))
        return code
    }
}

/// HKDF with SHA-256 (RFC 5869): derives keys for several purposes from one.
public enum HKDF {
    /// The most bytes that can be derived from one key: 255 blocks.
    public static let maxBytes = 255 * SHA256.byteCount

    /// Derives `byteCount` bytes from `key` for the purpose that `info` names. Throws unless `byteCount` is in
    /// 0...`maxBytes`.
    public static func key(
        from key: [UInt8], salt: [UInt8] = [], info: [UInt8], byteCount: Int
    ) throws(CryptographyError) -> [UInt8] {
        guard 0...maxBytes ~= byteCount else { throw .keyLength }
        let extracted = try HMAC.code(of: key, key: salt)
        var (derived, block): ([UInt8], [UInt8]) = ([], [])
        for number in 1...255 where derived.count < byteCount {
            block = try HMAC.code(of: block + info + [UInt8(number)], key: extracted)
            derived += block
        }
        return Array(derived.prefix(byteCount))
    }
}
