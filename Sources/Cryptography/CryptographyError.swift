import CLibcrypto

/// libcrypto refuses. Says nothing of keys or contents.
public enum CryptographyError: Error, Equatable {
    /// The key hasn't the length that the algorithm takes.
    case keyLength
    /// The bytes weren't sealed with this key and this context, or were changed since.
    case notAuthentic
    /// There is no memory, or the system's configuration of OpenSSL leaves the algorithm out.
    case unavailable(algorithm: String)
}

/// Throws `error` unless libcrypto returned 1. The thread's list of errors is emptied: libpq reads the same one.
func require(_ result: Int32, or error: @autoclosure () -> CryptographyError) throws(CryptographyError) {
    guard result == 1 else {
        ERR_clear_error()
        throw error()
    }
}
