#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An unnamed file in the system's directory for temporary files. It disappears with its last reader, even when the
/// process is killed.
public final class TemporaryFile: Sendable {
    let descriptor: Int32

    /// Makes an empty file. Throws `ZipError` when there is no space.
    public init() throws {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var path = Array("\(directory)/muster.XXXXXX".utf8CString)
        // Created with access for this user only, and unlinked before anything is written.
        descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw ZipError(file: errno) }
        unlink(path)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }

    /// Writes all of `bytes` at `offset`.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ZipError(file: errno) }
            done += count
        }
    }

    /// Reads up to `count` bytes at `offset`; fewer only at the end of the file.
    public func read(_ count: Int, at offset: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, read in
            read = try self.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(
                descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ZipError(file: errno) }
            if count == 0 { break }
            done += count
        }
        return done
    }
}

/// A file can't be written or read, or libzip refuses its input.
public struct ZipError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    init(file number: Int32) { description = String(cString: strerror(number)) }
}
