/// Roaring's portable format of 32-bit sets, which most Roaring libraries read and write. See
/// https://github.com/RoaringBitmap/RoaringFormatSpec.
///
/// In short, all little-endian: a cookie with the number of containers and, if any is run-encoded, a flag for each; the
/// key and cardinality less 1 of each; the offset of each, unless there are runs and fewer than four containers; then
/// the containers. Up to 4,096 values are an array of UInt16, more are a bitset of 8 KiB, and a flagged container is a
/// count of runs, then the first value and length less 1 of each.
public enum PortableRoaring {
    static let cookieWithoutRuns: UInt32 = 12346
    static let cookieWithRuns: UInt32 = 12347
    static let fewContainers = 4

    /// Encodes a set with each container in its shortest form, as `run_optimize` does in other libraries.
    public static func encode(_ set: MemberSet) -> [UInt8] { encode(set, after: 0) }

    /// Encodes a set after `room` zero bytes.
    static func encode(_ set: MemberSet, after room: Int) -> [UInt8] {
        let containers = set.containers.map(EncodedContainer.init)
        let hasRuns = containers.contains { $0.runs != nil }
        let header = headerByteCount(containers: containers.count, hasRuns: hasRuns)
        let total = room + containers.reduce(header) { $0 + $1.byteCount }
        return [UInt8](unsafeUninitializedCapacity: total) { buffer, count in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(buffer))
            for _ in 0..<room { writer.put(UInt8(0)) }
            writeHeader(of: set, containers, hasRuns: hasRuns, firstOffset: header, to: &writer)
            for container in containers { container.write(to: &writer) }
            count = writer.count  // The lengths above add up to the total; the writer checks each write.
        }
    }

    /// Bytes before the first container.
    static func headerByteCount(containers: Int, hasRuns: Bool) -> Int {
        if !hasRuns { return 8 + 8 * containers }
        return 4 + (containers + 7) / 8 + (containers < fewContainers ? 4 : 8) * containers
    }

    private static func writeHeader(
        of set: MemberSet, _ containers: [EncodedContainer], hasRuns: Bool, firstOffset: Int,
        to writer: inout ByteWriter
    ) {
        if hasRuns {
            writer.put(cookieWithRuns | UInt32(containers.count - 1) << 16)
            for start in stride(from: 0, to: containers.count, by: 8) {
                let flags = containers[start..<min(start + 8, containers.count)].enumerated()
                writer.put(flags.reduce(UInt8(0)) { $0 | ($1.element.runs == nil ? 0 : 1 << UInt8($1.offset)) })
            }
        } else {
            writer.put(cookieWithoutRuns)
            writer.put(UInt32(containers.count))
        }
        for (key, container) in zip(set.keys, containers) {
            writer.put(key)
            writer.put(UInt16(container.members.count - 1))
        }
        if hasRuns, containers.count < fewContainers { return }
        var offset = firstOffset
        for container in containers {
            writer.put(UInt32(offset))  // The largest form, 2^16 bitsets, ends below 2^30.
            offset += container.byteCount
        }
    }
}

/// A container and the form in which it is encoded.
private struct EncodedContainer {
    let members: Container
    /// The number of runs when they are shorter than the array or bitset, else nil.
    let runs: Int?
    let byteCount: Int

    init(_ members: Container) {
        self.members = members
        let plain: Int
        let runs: Int
        switch members {
        case .array(let values):
            (plain, runs) = (2 * values.count, values.withUnsafeBufferPointer(ArrayContainer.countRuns))
        case .bitset(let words, _):
            (plain, runs) = (Container.byteCount, words.withUnsafeBufferPointer { Bitset.countRuns($0.baseAddress!) })
        }
        self.runs = 2 + 4 * runs < plain ? runs : nil
        byteCount = Swift.min(plain, 2 + 4 * runs)
    }

    func write(to writer: inout ByteWriter) {
        if let runs { return writeRuns(runs, to: &writer) }
        switch members {
        case .array(let values): for value in values { writer.put(value) }
        case .bitset(let words, _): for word in words { writer.put(word) }
        }
    }

    private func writeRuns(_ runs: Int, to writer: inout ByteWriter) {
        writer.put(UInt16(runs))
        members.withView { view in
            view.forEachRun { first, last in
                writer.put(first)
                writer.put(last - first)
            }
        }
    }
}

/// Writes consecutive little-endian integers into memory that is large enough.
private struct ByteWriter {
    private let bytes: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

    @inline(__always)
    mutating func put(_ value: some FixedWidthInteger & BitwiseCopyable) {
        let size = value.bitWidth / 8
        precondition(bytes.count - count >= size)
        bytes.storeBytes(of: value.littleEndian, toByteOffset: count, as: type(of: value))
        count += size
    }
}
