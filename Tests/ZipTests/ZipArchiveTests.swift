import MusterTestSupport
import Testing
import Zip

/// Archives of ranges of a file.
@Suite struct ZipArchiveTests {
    private func file(_ text: String) throws -> TemporaryFile {
        let file = try TemporaryFile()
        try Array(text.utf8).withUnsafeBytes { try file.write($0, at: 0) }
        return file
    }

    @Test func eachRangeIsAFileOfTheArchive() async throws {
        let content = try file("first,second")
        let archive = try await ZipArchive.make(
            of: content,
            [
                .init(name: "é/1.txt", start: 0, length: 5), .init(name: "2.txt", start: 6, length: 6),
                .init(name: "none.txt", start: 12, length: 0),
            ])
        let files = try unzipped(try archive.file.read(archive.length, at: 0))
        #expect(
            files.mapValues { String(decoding: $0, as: UTF8.self) } == [
                "é/1.txt": "first", "2.txt": "second", "none.txt": "",
            ])
        #expect(try archive.file.read(1, at: archive.length) == [])
    }

    @Test func noArchiveIsMadeOfNothing() async throws {
        #expect(try await ZipArchive.make(of: file(""), []).length == 0)
    }

    /// The archive would take seconds: 3 GiB of which the file system stores one byte.
    @Test func cancellingEndsTheWork() async throws {
        let (content, length) = (try TemporaryFile(), 3 << 30)
        try [UInt8](repeating: 1, count: 1).withUnsafeBytes { try content.write($0, at: length - 1) }
        let making = Task { try await ZipArchive.make(of: content, [.init(name: "a", start: 0, length: length)]) }
        try await Task.sleep(for: .milliseconds(100))
        let cancelled = ContinuousClock.now
        making.cancel()
        await #expect(throws: CancellationError.self) { try await making.value }
        #expect(ContinuousClock.now - cancelled < .seconds(1))
    }
}
