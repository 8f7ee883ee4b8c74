#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A pool of readers for tasks, which have no thread to keep one on. Reading never suspends, so there are at most as
/// many readers in use as threads. A reader takes up to 16 times the bytes of its message.
///
/// `@unchecked Sendable`: `idle` is only accessed under the lock, and a reader taken from it belongs to one task until
/// it is returned.
public final class JSONReaders: @unchecked Sendable {
    /// The pool of this process. A reader kept idle holds up to 30 MB, that of a message of `JSONReader.kept` bytes.
    public static let shared = JSONReaders(idle: 4)

    private let max: Int
    private let make: @Sendable () -> JSONReader
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var idle: [JSONReader] = []

    /// Makes a pool that creates readers on demand and keeps at most `idle` of them.
    public init(
        idle: Int, depth: Int = Limits.jsonDepth.value, values: Int = Limits.jsonValues.value,
        takesWideIntegers: Bool = false
    ) {
        max = idle
        make = { JSONReader(depth: depth, values: values, takesWideIntegers: takesWideIntegers) }
        lock = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        pthread_mutex_init(lock, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// Reads like `JSONReader.read`.
    public func read<R>(_ bytes: UnsafeRawBufferPointer, _ body: (JSONValue) throws -> R) throws -> R {
        let reader = locked { idle.popLast() } ?? make()
        defer { locked { if idle.count < max { idle.append(reader) } } }
        return try reader.read(bytes, body)
    }

    // Not Synchronization.Mutex: the thread sanitizer reports false races on it.
    private func locked<R>(_ body: () -> R) -> R {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }
}
