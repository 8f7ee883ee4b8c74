import Dispatch
import Locking
public import Logging
import MusterProtocol
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The journal can't be written, so the store erased nothing.
public struct JournalUnavailable: Error {}

/// The users are erased, but the journal lacks them, so the erasure is not acknowledged: a repeat writes it.
public struct NotJournalled: Error {}

/// The append-only file outside of the database that records each erasure before it is acknowledged.
///
/// The file is opened for each write, so that a new file follows a renamed one. Concurrent writes are batched on a
/// thread that may block on the disk without limit; callers wait until their deadlines.
public final class ErasureJournal: Sendable {
    private struct Entry {
        var lines: [JournalLine]
        /// Writes an empty line if nothing else waits, to find out whether the file is writable.
        var isTrial = false
        var ticket: OneShot<Bool>
    }

    private struct State {
        var waiting: [Entry] = []
        var isWriting = false
        var began = ContinuousClock.now
        /// The error of the last write.
        var failure: String?
    }

    /// Duration of a write after which erasures are refused in advance.
    private static let patience = Duration.seconds(2)
    /// Writes that wait; more are refused. Each belongs to one call, so only a disk that hangs fills the queue.
    private static let maxWaiting = 1_024

    private let path: String
    private let logger: Logger
    private let queue = DispatchQueue(label: "muster.erasure-journal")
    private let state = Locked(State())
    private let written = Atomic(0)
    /// Lines written recently: concurrent callers read each other's rows from the database.
    private let recent = Locked(RecentLines())

    /// - Parameter path: a file that exists or can be created.
    public init(path: String, logger: Logger) {
        (self.path, self.logger) = (path, logger)
    }

    /// Whether the last write succeeded and the current one is not overdue.
    public var isWritable: Bool {
        state.withLock { $0.failure == nil && !($0.isWriting && .now - $0.began > Self.patience) }
    }

    /// Lines written since the start.
    public var lineCount: Int { written.load(ordering: .relaxed) }

    /// Throws `JournalUnavailable` if the journal is not writable. After a failure, tries to write an empty line first.
    public func check(deadline: ContinuousClock.Instant) async throws {
        if isWritable { return }
        do { try await add([], isTrial: true, until: min(deadline, .now + Self.patience)) } catch is NotJournalled {
            throw JournalUnavailable()
        }
    }

    /// Creates the file if it is missing, so that a wrong path is noticed before the first erasure.
    public func open() async throws { try await add([], until: .now + Self.patience) }

    /// Returns when the lines are on disk. Throws `NotJournalled`.
    func append(_ lines: [JournalLine], deadline: ContinuousClock.Instant) async throws {
        try await add(lines, until: deadline)
    }

    private func add(
        _ lines: [JournalLine], isTrial: Bool = false, until deadline: ContinuousClock.Instant
    ) async throws {
        let ticket = OneShot<Bool>()
        enqueue(Entry(lines: lines, isTrial: isTrial, ticket: ticket))
        let isWritten = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Ends early if the caller's task is cancelled or the lines are written.
                try? await Task.sleep(until: deadline, clock: .continuous)
                ticket.fulfill(false)
            }
            defer { group.cancelAll() }
            return await ticket.value
        }
        guard isWritten else { throw NotJournalled() }
    }

    private func enqueue(_ entry: Entry) {
        let (hasRoom, isFirst) = state.withLock { state in
            guard state.waiting.count < Self.maxWaiting else { return (false, false) }
            state.waiting.append(entry)
            guard !state.isWriting else { return (true, false) }
            (state.isWriting, state.began) = (true, .now)
            return (true, true)
        }
        guard hasRoom else { return entry.ticket.fulfill(false) }
        if isFirst { queue.async { self.writeAll() } }
    }

    /// Runs on the journal's own thread until the queue is empty.
    private func writeAll() {
        while true {
            let batch = state.withLock { state in
                let batch = state.waiting
                (state.waiting, state.isWriting, state.began) = ([], !batch.isEmpty, .now)
                return batch
            }
            guard !batch.isEmpty else { return }
            let failure = write(batch)
            note(failure)
            for entry in batch { entry.ticket.fulfill(failure == nil) }
        }
    }

    private func write(_ batch: [Entry]) -> String? {
        let lines = recent.withLock { recent in Set(batch.flatMap(\.lines)).filter { !recent.contains($0) } }
        let isTrial = lines.isEmpty && batch.contains(where: \.isTrial)
        let failure = write(isTrial ? [UInt8(ascii: "\n")] : lines.flatMap(\.bytes))
        guard failure == nil else { return failure }
        recent.withLock { $0.formUnion(lines) }
        written.add(lines.count, ordering: .relaxed)
        return nil
    }

    private func note(_ failure: String?) {
        let before = state.withLock { state in
            defer { state.failure = failure }
            return state.failure
        }
        if let failure, before == nil {
            logger.error(
                "The journal of erasures can't be written: erasures are refused until it can",
                metadata: ["path": "\(path)", "cause": "\(failure)"])
        } else if failure == nil, before != nil {
            logger.notice("The journal of erasures can be written again", metadata: ["path": "\(path)"])
        }
    }

    // MARK: The file

    /// - Returns: the error; nil if the bytes are on disk.
    private func write(_ bytes: [UInt8]) -> String? {
        #if canImport(Glibc)
            let descriptor = Glibc.open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        #else
            let descriptor = Darwin.open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        #endif
        guard descriptor >= 0 else { return Self.systemError() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return Self.systemError() }
        guard status.st_mode & S_IFMT == S_IFREG else { return "it is no file" }
        // A line that a crash or a full disk truncated must not run into the next one.
        let start = bytes.isEmpty || Self.endsWithLine(descriptor, Int(status.st_size)) ? [] : [UInt8(ascii: "\n")]
        if let failure = Self.write(start + bytes, to: descriptor) { return failure }
        guard fsync(descriptor) == 0 else { return Self.systemError() }
        // A new file is durable only after its folder is synced.
        return status.st_size == 0 ? Self.syncFolder(of: path) : nil
    }

    private static func endsWithLine(_ descriptor: Int32, _ size: Int) -> Bool {
        var last: UInt8 = 0
        return size == 0 || pread(descriptor, &last, 1, off_t(size - 1)) == 1 && last == UInt8(ascii: "\n")
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> String? {
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                #if canImport(Glibc)
                    let count = Glibc.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
                #else
                    let count = Darwin.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
                #endif
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return systemError() }
                offset += count
            }
            return nil
        }
    }

    private static func syncFolder(of path: String) -> String? {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        #if canImport(Glibc)
            let descriptor = Glibc.open(folder, O_RDONLY | O_CLOEXEC)
        #else
            let descriptor = Darwin.open(folder, O_RDONLY | O_CLOEXEC)
        #endif
        guard descriptor >= 0 else { return systemError() }
        defer { close(descriptor) }
        return fsync(descriptor) == 0 ? nil : systemError()
    }

    private static func systemError() -> String { String(cString: strerror(errno)).lowercased() }
}

/// At least the last ten thousand lines.
private struct RecentLines {
    private var newer: Set<JournalLine> = []
    private var older: Set<JournalLine> = []

    func contains(_ line: JournalLine) -> Bool { newer.contains(line) || older.contains(line) }

    mutating func formUnion(_ lines: Set<JournalLine>) {
        newer.formUnion(lines)
        if newer.count > 10_000 { (older, newer) = (newer, []) }
    }
}
