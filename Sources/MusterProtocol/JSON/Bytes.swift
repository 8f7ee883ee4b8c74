#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Whether two runs of bytes are the same. Never compare text of a caller as `String`: that joins composed characters.
func bytesEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    guard let a = a.baseAddress, let bStart = b.baseAddress else { return true }
    return memcmp(a, bStart, b.count) == 0
}

/// Whether a run of bytes has a zero.
func bytesHaveNUL(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress else { return false }
    return memchr(start, 0, bytes.count) != nil
}

/// The order of PostgreSQL's `COLLATE "C"`: bytewise, and the shorter first.
func bytesPrecede(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    let shared = min(a.count, b.count)
    guard shared > 0, let aStart = a.baseAddress, let bStart = b.baseAddress else { return a.count < b.count }
    let order = memcmp(aStart, bStart, shared)
    return order == 0 ? a.count < b.count : order < 0
}

extension [UInt8] {
    /// Appends without the checks that a generic sequence costs for each of 50,000 identifiers.
    @inline(__always)
    mutating func append(raw bytes: UnsafeRawBufferPointer) {
        append(contentsOf: bytes)
    }
}
