#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Descriptions of errors of the system and of the TLS library; the same for clients and servers.
public enum TransportWords {
    /// The system's description of an error number: `connection refused`.
    public static func system(_ error: CInt) -> String { String(cString: strerror(error)).lowercased() }

    /// Why a file can't be read; nil when it can.
    public static func problem(readingFile path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return system(errno) }
        defer { close(descriptor) }
        var byte: UInt8 = 0
        return read(descriptor, &byte, 1) < 0 ? system(errno) : nil
    }

    /// The name of a BoringSSL error, such as `WRONG_VERSION_NUMBER`, without the details that only help its authors.
    /// Nil when the text names none.
    public static func nameOfTLSError(in description: String) -> String? {
        let words = description.split(separator: ":")
        guard let index = words.firstIndex(of: "OPENSSL_internal"), index + 1 < words.count else { return nil }
        return words[index + 1].split(separator: " ").first.map(String.init)
    }

    /// A name like `WRONG_VERSION_NUMBER` as words.
    public static func words(_ name: String) -> String { name.lowercased().replacing("_", with: " ") }
}
