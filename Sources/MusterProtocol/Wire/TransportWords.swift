#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What the system and the library of TLS say of their errors, in words for people: the same on both sides of a
/// connection.
public enum TransportWords {
    /// What an error of the system is: `connection refused`.
    public static func system(_ error: CInt) -> String { String(cString: strerror(error)).lowercased() }

    /// Why a file can't be read at all; nil where it can.
    public static func problem(readingFile path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return system(errno) }
        defer { close(descriptor) }
        var byte: UInt8 = 0
        return read(descriptor, &byte, 1) < 0 ? system(errno) : nil
    }

    /// BoringSSL's name of an error, `WRONG_VERSION_NUMBER`, out of all that it prints of it, which is of no use to
    /// anybody but its authors. Nil where it names none.
    public static func nameOfTLSError(in description: String) -> String? {
        let words = description.split(separator: ":")
        guard let place = words.firstIndex(of: "OPENSSL_internal"), place + 1 < words.count else { return nil }
        return words[place + 1].split(separator: " ").first.map(String.init)
    }

    /// A name like `WRONG_VERSION_NUMBER` as words.
    public static func words(_ name: String) -> String { name.lowercased().replacing("_", with: " ") }
}
