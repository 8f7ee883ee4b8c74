public import MusterProtocol

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What a file of the journal says.
public struct JournalContent: Sendable {
    /// The registrations that were erased, each once, by workspace.
    public var registrations: [WorkspaceID: Set<Identifier>] = [:]
    /// Lines that can't be read, by number from 1: cut short, as by a crash in the middle of a write, or damaged.
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
            // Without ends of lines a file of anything else is as damaged.
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

    /// Whether a line could have been whole if more of it had been written: its checksum is not there, or not all of
    /// it.
    private static func isTruncated(_ line: ArraySlice<UInt8>) -> Bool {
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        let isText = line.allSatisfy { (0x20..<0x7F).contains($0) }
        return isText && (fields.count < 5 || fields.count == 5 && fields[4].count < 16)
    }

    /// Both files' registrations.
    public mutating func formUnion(_ other: JournalContent) {
        registrations.merge(other.registrations) { $0.union($1) }
    }
}

/// A file that can't be opened or read.
public struct JournalUnreadable: Error, CustomStringConvertible {
    public let description: String

    fileprivate init(file: String) {
        description = "the file \(file) can't be read: \(String(cString: strerror(errno)).lowercased())"
    }
}
