extension PortableRoaring {
    /// Decodes a set from portable bytes of any origin, or throws what is wrong with them. Nothing is trusted: every
    /// count, order and offset is checked.
    ///
    /// The header determines the memory, which is checked against the limit before anything is built: 8 KiB per bitset.
    /// That is up to 600 times the input where a few bytes describe a long run, else little more than the input.
    ///
    /// - Parameters:
    ///   - bytes: the complete portable form.
    ///   - memoryLimit: the most bytes of memory that the set may take.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, memoryLimit: Int = .max
    ) throws(StoredSetError) -> MemberSet {
        var reader = ByteReader(bytes)
        let header = try Header(&reader)
        guard header.memory <= memoryLimit else { throw .overMemoryLimit }
        var set = MemberSet()
        for index in 0..<header.count {
            let (key, cardinality) = header.container(index)
            if let previous = set.keys.last, previous >= key { throw .notAscending }
            if let offset = header.offset(index), offset != reader.index { throw .wrongOffset }
            set.append(try readContainer(&reader, hasRuns: header.hasRuns(index), cardinality), key: key)
        }
        guard reader.rest == 0 else { throw .trailingBytes }
        return set
    }

    private static func readContainer(
        _ reader: inout ByteReader, hasRuns: Bool, _ cardinality: Int
    ) throws(StoredSetError) -> Container {
        if hasRuns { return try readRuns(&reader, cardinality) }
        return cardinality > Container.arrayLimit
            ? try readBitset(&reader, cardinality) : try readArray(&reader, cardinality)
    }

    private static func readArray(_ reader: inout ByteReader, _ cardinality: Int) throws(StoredSetError) -> Container {
        let source = try reader.take(2 * cardinality)
        let values = [UInt16](unsafeUninitializedCapacity: cardinality) { buffer, count in
            for index in 0..<cardinality { buffer[index] = source.integer(at: 2 * index) }
            count = cardinality
        }
        var descents = 0
        for index in 1..<max(cardinality, 1) { descents &+= values[index] <= values[index - 1] ? 1 : 0 }
        guard descents == 0 else { throw .notAscending }
        return .array(values)
    }

    private static func readBitset(_ reader: inout ByteReader, _ cardinality: Int) throws(StoredSetError) -> Container {
        let source = try reader.take(Container.byteCount)
        let words = [UInt64](unsafeUninitializedCapacity: Container.wordCount) { buffer, count in
            for index in 0..<Container.wordCount { buffer[index] = source.integer(at: 8 * index) }
            count = Container.wordCount
        }
        let bits = words.withUnsafeBufferPointer { Bitset.count($0.baseAddress!) }
        guard bits == cardinality else { throw .wrongCardinality }
        return .bitset(words, count: cardinality)
    }

    private static func readRuns(_ reader: inout ByteReader, _ cardinality: Int) throws(StoredSetError) -> Container {
        let source = try reader.take(4 * Int(reader.integer(UInt16.self)))
        var next = 0  // The lowest value at which the next run may begin.
        var sum = 0
        for index in stride(from: 0, to: source.count, by: 4) {
            let first = Int(source.integer(at: index) as UInt16)
            let length = Int(source.integer(at: index + 2) as UInt16) + 1
            guard first >= next, first + length <= Container.fullCount else { throw .notAscending }
            next = first + length
            sum += length
        }
        guard sum == cardinality else { throw .wrongCardinality }
        return cardinality > Container.arrayLimit ? bitsetOfRuns(source, sum) : arrayOfRuns(source)
    }

    /// Converts runs that are already checked.
    private static func arrayOfRuns(_ source: UnsafeRawBufferPointer) -> Container {
        var values: [UInt16] = []
        for index in stride(from: 0, to: source.count, by: 4) {
            let first: UInt16 = source.integer(at: index)
            values += first...(first + source.integer(at: index + 2))
        }
        return .array(values)
    }

    /// Converts runs that are already checked and have more than 4,096 values.
    private static func bitsetOfRuns(_ source: UnsafeRawBufferPointer, _ count: Int) -> Container {
        var words = [UInt64](repeating: 0, count: Container.wordCount)
        for index in stride(from: 0, to: source.count, by: 4) {
            let first: UInt16 = source.integer(at: index)
            let last: UInt16 = first + source.integer(at: index + 2)
            let (low, high) = (Int(first >> 6), Int(last >> 6))
            for index in low...high {
                var word = UInt64.max
                if index == low { word &= .max << UInt64(first & 63) }
                if index == high { word &= .max >> UInt64(63 - last & 63) }
                words[index] |= word
            }
        }
        return .bitset(words, count: count)
    }
}

/// The header before the containers.
private struct Header {
    let count: Int
    private let flags: UnsafeRawBufferPointer?
    private let containers: UnsafeRawBufferPointer
    private let offsets: UnsafeRawBufferPointer?

    init(_ reader: inout ByteReader) throws(StoredSetError) {
        let cookie: UInt32 = try reader.integer()
        if cookie == PortableRoaring.cookieWithoutRuns {
            let count: UInt32 = try reader.integer()
            guard count <= 1 << 16 else { throw .wrongContainerCount }
            self.count = Int(count)
            flags = nil
        } else {
            guard cookie & 0xFFFF == PortableRoaring.cookieWithRuns else { throw .unknownCookie }
            count = Int(cookie >> 16) + 1
            let flags = try reader.take((count + 7) / 8)
            guard count % 8 == 0 || flags[flags.count - 1] >> UInt8(count % 8) == 0 else { throw .wrongContainerCount }
            self.flags = flags
        }
        containers = try reader.take(4 * count)
        let hasOffsets = flags == nil || count >= PortableRoaring.fewContainers
        offsets = hasOffsets ? try reader.take(4 * count) : nil
    }

    /// Bytes of memory that the described set takes.
    var memory: Int {
        (0..<count).reduce(0) { sum, index in
            let cardinality = container(index).cardinality
            return sum + 64 + (cardinality > Container.arrayLimit ? Container.byteCount : 2 * cardinality)
        }
    }

    func container(_ index: Int) -> (key: UInt16, cardinality: Int) {
        (containers.integer(at: 4 * index), Int(containers.integer(at: 4 * index + 2) as UInt16) + 1)
    }

    func offset(_ index: Int) -> Int? { offsets.map { Int($0.integer(at: 4 * index) as UInt32) } }

    func hasRuns(_ index: Int) -> Bool { flags.map { $0[index / 8] >> UInt8(index % 8) & 1 == 1 } ?? false }
}

/// Reads consecutive parts of a buffer and never past its end.
private struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var index = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var rest: Int { bytes.count - index }

    mutating func take(_ count: Int) throws(StoredSetError) -> UnsafeRawBufferPointer {
        guard count <= rest else { throw .truncated }
        defer { index += count }
        return UnsafeRawBufferPointer(rebasing: bytes[index..<index + count])
    }

    mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
        _: Integer.Type = Integer.self
    ) throws(StoredSetError) -> Integer {
        try take(MemoryLayout<Integer>.size).integer(at: 0)
    }
}

extension UnsafeRawBufferPointer {
    /// A little-endian integer; the caller has checked the length.
    @inline(__always)
    fileprivate func integer<Integer: FixedWidthInteger & BitwiseCopyable>(at index: Int) -> Integer {
        Integer(littleEndian: loadUnaligned(fromByteOffset: index, as: Integer.self))
    }
}
