import CLibcrypto

/// An error of libcrypto. It contains neither keys nor contents.
public enum CryptographyError: Error, Equatable {
    /// The key does not have the length that the algorithm needs.
    case keyLength
    /// The bytes weren't sealed with this key and this context, or were changed since.
    case notAuthentic
    /// Memory has run out, or the system's configuration of OpenSSL disables the algorithm.
    case unavailable(algorithm: String)
}

/// Throws `error` unless libcrypto returned 1. Clears the thread's error queue, since libpq reads the same one.
func require(_ result: Int32, or error: @autoclosure () -> CryptographyError) throws(CryptographyError) {
    guard result == 1 else {
        ERR_clear_error()
        throw error()
    }
}
