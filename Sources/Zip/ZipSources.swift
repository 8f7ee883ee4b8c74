import CZip
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The callbacks of libzip's sources, which are objects here.
private typealias Command = zip_source_cmd_t

/// A range of a file, which libzip reads sequentially.
final class EntrySource {
    private let file: TemporaryFile
    private let entry: ZipArchive.Entry
    private var position = 0
    private var failure: Int32 = 0

    init(_ file: TemporaryFile, _ entry: ZipArchive.Entry) { (self.file, self.entry) = (file, entry) }

    static let answer: zip_source_callback = { object, data, length, command in
        guard let object else { return -1 }
        let kept = Unmanaged<EntrySource>.fromOpaque(object)
        if command == ZIP_SOURCE_FREE {
            kept.release()
            return 0
        }
        return kept.takeUnretainedValue().answer(command, data, Int(length))
    }

    private func answer(_ command: Command, _ data: UnsafeMutableRawPointer?, _ length: Int) -> zip_int64_t {
        switch command {
        case ZIP_SOURCE_SUPPORTS:
            return supported(
                [
                    ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
                    ZIP_SOURCE_FREE,
                ])
        case ZIP_SOURCE_OPEN:
            position = 0
            return 0
        case ZIP_SOURCE_READ: return read(into: UnsafeMutableRawBufferPointer(start: data, count: length))
        case ZIP_SOURCE_CLOSE: return 0
        case ZIP_SOURCE_STAT: return describe(data)
        case ZIP_SOURCE_ERROR: return explain(failure, ZIP_ER_READ, to: data)
        default: return -1
        }
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) -> zip_int64_t {
        let count = min(buffer.count, entry.length - position)
        do {
            let read = try file.read(into: .init(rebasing: buffer[..<count]), at: entry.start + position)
            position += read
            return zip_int64_t(read)
        } catch {
            failure = EIO
            return -1
        }
    }

    private func describe(_ data: UnsafeMutableRawPointer?) -> zip_int64_t {
        guard let stat = data?.assumingMemoryBound(to: zip_stat_t.self) else { return -1 }
        zip_stat_init(stat)
        stat.pointee.size = zip_uint64_t(entry.length)
        stat.pointee.mtime = time(nil)
        stat.pointee.valid = zip_uint64_t(ZIP_STAT_SIZE | ZIP_STAT_MTIME)
        return zip_int64_t(MemoryLayout<zip_stat_t>.size)
    }
}

/// The file that receives the archive. libzip seeks back in it to fill in sizes.
///
/// `@unchecked Sendable`: one thread writes, and others read only after it has ended.
final class ArchiveSink: @unchecked Sendable {
    let file: TemporaryFile
    private(set) var length = 0
    let isCancelled = Atomic(false)
    private var position = 0
    private var failure: Int32 = ENOENT

    init(_ file: TemporaryFile) { self.file = file }

    static let answer: zip_source_callback = { object, data, length, command in
        guard let object else { return -1 }
        let kept = Unmanaged<ArchiveSink>.fromOpaque(object)
        if command == ZIP_SOURCE_FREE {
            kept.release()
            return 0
        }
        return kept.takeUnretainedValue().answer(command, data, Int(length))
    }

    private func answer(_ command: Command, _ data: UnsafeMutableRawPointer?, _ length: Int) -> zip_int64_t {
        switch command {
        case ZIP_SOURCE_SUPPORTS:
            // libzip requires these of a file that it writes, though it reads nothing from a new one.
            return supported(
                [
                    ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
                    ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, ZIP_SOURCE_BEGIN_WRITE,
                    ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE, ZIP_SOURCE_WRITE, ZIP_SOURCE_SEEK_WRITE,
                    ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_REMOVE,
                ])
        case ZIP_SOURCE_BEGIN_WRITE, ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE, ZIP_SOURCE_REMOVE,
            ZIP_SOURCE_CLOSE:
            return 0
        case ZIP_SOURCE_WRITE: return write(UnsafeRawBufferPointer(start: data, count: length))
        case ZIP_SOURCE_TELL_WRITE: return zip_int64_t(position)
        case ZIP_SOURCE_SEEK_WRITE: return seek(data, length)
        // libzip starts by expecting that the file does not exist.
        case ZIP_SOURCE_ERROR: return explain(failure, failure == ENOENT ? ZIP_ER_READ : ZIP_ER_WRITE, to: data)
        default: return -1
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) -> zip_int64_t {
        do {
            if isCancelled.load(ordering: .relaxed) { throw ZipError(file: ECANCELED) }
            try file.write(bytes, at: position)
        } catch {
            failure = EIO
            return -1
        }
        position += bytes.count
        length = max(length, position)
        return zip_int64_t(bytes.count)
    }

    private func seek(_ data: UnsafeMutableRawPointer?, _ size: Int) -> zip_int64_t {
        let place = zip_source_seek_compute_offset(
            zip_uint64_t(position), zip_uint64_t(length), data, zip_uint64_t(size), nil)
        guard place >= 0 else {
            failure = EINVAL
            return -1
        }
        position = Int(place)
        return 0
    }
}

/// The commands that a source supports, in libzip's encoding.
private func supported(_ commands: [Command]) -> zip_int64_t {
    commands.reduce(0) { $0 | 1 << zip_int64_t($1.rawValue) }
}

/// An error in libzip's encoding: its own number and the system's.
private func explain(_ failure: Int32, _ code: Int32, to data: UnsafeMutableRawPointer?) -> zip_int64_t {
    data?.storeBytes(of: code, as: Int32.self)
    data?.storeBytes(of: failure, toByteOffset: MemoryLayout<Int32>.size, as: Int32.self)
    return zip_int64_t(2 * MemoryLayout<Int32>.size)
}
