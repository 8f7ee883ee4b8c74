import CZip
public import MusterProtocol

/// The bytes are not an archive.
public struct NoArchive: Error {}

/// The files of a zip archive, by name.
public func unzipped(_ bytes: [UInt8]) throws -> [String: [UInt8]] {
    try bytes.withUnsafeBytes { bytes in
        guard let source = zip_source_buffer_create(bytes.baseAddress, UInt64(bytes.count), 0, nil),
            let archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, nil)
        else { throw NoArchive() }
        defer { zip_discard(archive) }
        var files: [String: [UInt8]] = [:]
        for index in 0..<UInt64(zip_get_num_entries(archive, 0)) {
            var stat = zip_stat_t()
            guard zip_stat_index(archive, index, 0, &stat) == 0, let file = zip_fopen_index(archive, index, 0) else {
                throw NoArchive()
            }
            defer { zip_fclose(file) }
            let content = [UInt8](unsafeUninitializedCapacity: Int(stat.size)) { buffer, count in
                count = max(0, Int(zip_fread(file, buffer.baseAddress, stat.size)))
            }
            guard content.count == Int(stat.size) else { throw NoArchive() }
            files[String(cString: stat.name)] = content
        }
        return files
    }
}

/// The lines of a file of an export.
public func exportedLines(_ file: [UInt8]) -> [[UInt8]] { file.split(separator: UInt8(ascii: "\n")).map(Array.init) }

/// The users in the archive of an export, in file order.
public func exportedUsers(in archive: [UInt8]) throws -> [ExportedUser] {
    try unzipped(archive).sorted { $0.key < $1.key }.flatMap { _, file in
        try exportedLines(file).map { try JSONDecoding.decode(ExportedUser.self, from: $0) }
    }
}
