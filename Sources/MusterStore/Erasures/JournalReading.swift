public import MusterProtocol

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The content of a journal file.
public struct JournalContent: Sendable {
    /// The erased registrations by workspace, each once.
    public var registrations: [WorkspaceID: Set<Identifier>] = [:]
    /// Numbers, from 1, of unreadable lines: truncated, as by a crash during a write, or damaged.
    public var truncated: [Int] = []
    public var damaged: [Int] = []

    public init() {}

    /// Reads a file to its end. Throws `JournalUnreadable`.
    public init(file: String) throws {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw JournalUnreadable(file: file) }
        defer { close(descriptor) }
        var (block, rest, number) = ([UInt8](repeating: 0, count: 1 << 16), [UInt8](), 0)
        while true {
            let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw JournalUnreadable(file: file) }
            guard count > 0 else { break }
            rest += block[..<count]
            var lines = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            let last = lines.removeLast()
            for line in lines { add(line, &number) }
            // Bounds the memory for a file without line breaks, which is damaged in any case.
            rest = Array(last.prefix(JournalLine.maxBytes))
        }
        add(rest[...], &number)
    }

    private mutating func add(_ line: ArraySlice<UInt8>, _ number: inout Int) {
        number += 1
        guard !line.isEmpty else { return }
        if let read = JournalLine(line) {
            registrations[read.workspace, default: []].insert(read.brazeID)
        } else if Self.isTruncated(line) {
            truncated.append(number)
        } else {
            damaged.append(number)
        }
    }

    /// Whether the line may be the beginning of a complete one: its checksum is missing or incomplete.
    private static func isTruncated(_ line: ArraySlice<UInt8>) -> Bool {
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        let isText = line.allSatisfy { (0x20..<0x7F).contains($0) }
        return isText && (fields.count < 5 || fields.count == 5 && fields[4].count < 16)
    }

    /// Adds the registrations of another file.
    public mutating func formUnion(_ other: JournalContent) {
        registrations.merge(other.registrations) { $0.union($1) }
    }
}

/// The file can't be opened or read.
public struct JournalUnreadable: Error, CustomStringConvertible {
    public let description: String

    fileprivate init(file: String) {
        description = "the file \(file) can't be read: \(String(cString: strerror(errno)).lowercased())"
    }
}
