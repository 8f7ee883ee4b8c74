#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Compares bytes. Never compare a caller's text as `String`, which equates composed and decomposed characters.
func bytesEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    guard let a = a.baseAddress, let bStart = b.baseAddress else { return true }
    return memcmp(a, bStart, b.count) == 0
}

/// Whether the bytes contain a zero.
func bytesHaveNUL(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress else { return false }
    return memchr(start, 0, bytes.count) != nil
}

/// The order of PostgreSQL's `COLLATE "C"`: bytewise, the shorter first.
func bytesPrecede(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    let shared = min(a.count, b.count)
    guard shared > 0, let aStart = a.baseAddress, let bStart = b.baseAddress else { return a.count < b.count }
    let order = memcmp(aStart, bStart, shared)
    return order == 0 ? a.count < b.count : order < 0
}

extension [UInt8] {
    /// Appends without the per-element checks of a generic sequence, which matter for 50,000 identifiers.
    @inline(__always)
    mutating func append(raw bytes: UnsafeRawBufferPointer) {
        append(contentsOf: bytes)
    }
}
