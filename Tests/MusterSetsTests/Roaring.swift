import CRoaring
import MusterSets

/// A bitmap of CRoaring, the reference implementation of our format. Its safe reader checks lengths only, so it gets
/// only what it or our encoder has written.
final class Roaring {
    private let bitmap: UnsafeMutablePointer<roaring_bitmap_t>

    init(_ numbers: [UInt32]) {
        bitmap = numbers.withUnsafeBufferPointer { roaring_bitmap_of_ptr($0.count, $0.baseAddress) }
    }

    init?(portable bytes: [UInt8]) {
        let bitmap = bytes.withUnsafeBytes { bytes in
            roaring_bitmap_portable_deserialize_safe(bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
        }
        guard let bitmap else { return nil }
        self.bitmap = bitmap
    }

    deinit { roaring_bitmap_free(bitmap) }

    var numbers: [UInt32] {
        [UInt32](unsafeUninitializedCapacity: Int(roaring_bitmap_get_cardinality(bitmap))) { buffer, count in
            roaring_bitmap_to_uint32_array(bitmap, buffer.baseAddress)
            count = buffer.count  // It writes as many numbers as its cardinality, which is the capacity here.
        }
    }

    /// Converts containers into runs where these are shorter.
    func optimize() { roaring_bitmap_run_optimize(bitmap) }

    var portable: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: roaring_bitmap_portable_size_in_bytes(bitmap))
        bytes.withUnsafeMutableBytes { bytes in
            _ = roaring_bitmap_portable_serialize(bitmap, bytes.bindMemory(to: CChar.self).baseAddress)
        }
        return bytes
    }
}

/// Decodes the portable form with our reader, with its error.
func decode(portable bytes: [UInt8], memoryLimit: Int = .max) throws -> MemberSet {
    try bytes.withUnsafeBytes { try PortableRoaring.decode($0, memoryLimit: memoryLimit) }
}

/// Decodes the stored form with our reader, with its error.
func decode(stored bytes: [UInt8], chunk: Int? = nil, memoryLimit: Int = .max) throws -> MemberSet {
    try bytes.withUnsafeBytes { try StoredSet.decode($0, chunk: chunk, memoryLimit: memoryLimit) }
}
