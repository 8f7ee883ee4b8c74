#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file without a name, in the system's directory for temporary files: gone with its last reader, also when the process is killed.
public final class ScratchFile: Sendable {
    let descriptor: Int32

    /// An empty file. Throws `ZipError` where there is no room for one.
    public init() throws {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var path = Array("\(directory)/muster.XXXXXX".utf8CString)
        // Made for this user alone, and without a name before anything is in it.
        descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw ZipError(file: errno) }
        unlink(path)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }

    /// Writes all of `bytes` from the byte `offset` on.
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

    /// Reads up to `count` bytes from the byte `offset` on; fewer only at the end of the file.
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

/// A file can't be written or read, or libzip refuses what it is given.
public struct ZipError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    init(file number: Int32) { description = String(cString: strerror(number)) }
}
