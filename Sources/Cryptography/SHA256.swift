import CLibcrypto

/// SHA-256 (FIPS 180-4).
public enum SHA256 {
    /// Bytes of a digest.
    public static let byteCount = 32

    /// Fetched once, since libcrypto takes a lock to fetch it. It is never freed, and threads may share it.
    private nonisolated(unsafe) static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

    /// The digest of `bytes`.
    public static func digest(of bytes: [UInt8]) throws(CryptographyError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        let result = algorithm.map { EVP_Digest(bytes, bytes.count, &digest, nil, $0, nil) }
        try require(result ?? 0, or: .unavailable(algorithm: "SHA-256"))
        return digest
    }
}
