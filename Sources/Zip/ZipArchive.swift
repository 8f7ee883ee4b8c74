import CZip
import Foundation
import Synchronization

/// Makes zip archives with libzip.
public enum ZipArchive {
    /// A file of an archive: a range of the content.
    public struct Entry: Sendable {
        public var name: String
        /// The offset of its first byte.
        public var start: Int
        /// The length in bytes.
        public var length: Int

        /// Makes a file of this name.
        public init(name: String, start: Int, length: Int) {
            (self.name, self.start, self.length) = (name, start, length)
        }
    }

    /// Writes an archive of ranges of `content` and returns its file and its length in bytes.
    ///
    /// libzip writes an archive in one call, which takes minutes for a large one, so it runs on a thread of its own.
    /// Cancelling the task ends it. Give it at least one entry: of none libzip writes nothing, which is no archive.
    public static func make(
        of content: TemporaryFile, _ entries: [Entry]
    ) async throws -> (file: TemporaryFile, length: Int) {
        let sink = ArchiveSink(try TemporaryFile())
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(
                        with: Result {
                            try write(content, entries, to: sink)
                            return (sink.file, sink.length)
                        })
                }
            }
        } onCancel: {
            sink.isCancelled.store(true, ordering: .relaxed)
        }
    }

    private static func write(_ content: TemporaryFile, _ entries: [Entry], to sink: ArchiveSink) throws {
        let archive = try open(sink)
        do {
            for entry in entries { try add(entry, of: content, to: archive) }
        } catch {
            zip_discard(archive)
            throw error
        }
        guard zip_close(archive) == 0 else {
            let reason = String(cString: zip_strerror(archive))
            zip_discard(archive)
            throw sink.isCancelled.load(ordering: .relaxed) ? CancellationError() : ZipError(reason)
        }
    }

    private static func open(_ sink: ArchiveSink) throws -> OpaquePointer {
        let source = try makeSource(sink, ArchiveSink.answer)
        guard let archive = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, nil) else {
            zip_source_free(source)
            throw ZipError("libzip can't write the archive")
        }
        return archive
    }

    private static func add(_ entry: Entry, of content: TemporaryFile, to archive: OpaquePointer) throws {
        let source = try makeSource(EntrySource(content, entry), EntrySource.answer)
        let index = zip_file_add(archive, entry.name, source, zip_flags_t(ZIP_FL_ENC_UTF_8))
        guard index >= 0 else {
            let reason = String(cString: zip_strerror(archive))
            zip_source_free(source)
            throw ZipError(reason)
        }
        // JSON of users compresses well at any level; level 1 is the fastest.
        guard zip_set_file_compression(archive, zip_uint64_t(index), ZIP_CM_DEFLATE, 1) == 0 else {
            throw ZipError(String(cString: zip_strerror(archive)))
        }
    }

    /// libzip retains the object until it requests its release.
    private static func makeSource(_ object: some AnyObject, _ answer: zip_source_callback) throws -> OpaquePointer {
        let kept = Unmanaged.passRetained(object)
        guard let source = zip_source_function_create(answer, kept.toOpaque(), nil) else {
            kept.release()
            throw ZipError("libzip can't make a source")
        }
        return source
    }
}
