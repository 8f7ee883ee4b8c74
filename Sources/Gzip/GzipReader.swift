import CZlib

/// Decompresses gzip in steps, so that the caller can count the output and stop at a bound.
public final class GzipReader {
    /// The bytes are not gzip, are incomplete, or have a suffix that is not gzip.
    public struct Malformed: Error {}

    private let stream: UnsafeMutablePointer<z_stream>
    private let packed: [UInt8]
    private var position = 0
    private var isDone = false

    /// Starts on this input: one gzip member or several in a row.
    public init(_ packed: [UInt8]) throws {
        self.packed = packed
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15 is the largest window; adding 16 accepts gzip only.
        let result = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard result == Z_OK else {
            isDone = true
            throw Malformed()
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Decompresses into `output` until it is full or the input ends. Returns the number of bytes; 0 at the end. Throws
    /// `Malformed`.
    public func read(into output: UnsafeMutableRawBufferPointer) throws -> Int {
        var written = 0
        while !isDone, written < output.count {
            written += try step(into: .init(rebasing: output[written...]))
        }
        return written
    }

    private func step(into output: UnsafeMutableRawBufferPointer) throws -> Int {
        try packed.withUnsafeBytes { bytes in
            let input = UnsafeRawBufferPointer(rebasing: bytes[position...])
            // zlib declares its input pointer as mutable but does not write through it.
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = UInt32(clamping: input.count)
            stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(clamping: output.count)
            let result = inflate(stream, Z_NO_FLUSH)
            let consumed = input.count - Int(stream.pointee.avail_in)
            let written = output.count - Int(stream.pointee.avail_out)
            position += consumed
            switch result {
            case Z_OK where consumed + written > 0: break
            case Z_STREAM_END: try endMember()
            default: throw Malformed()
            }
            return written
        }
    }

    /// Concatenated gzip members form one stream.
    private func endMember() throws {
        if position == packed.count {
            isDone = true
        } else if inflateReset(stream) != Z_OK {
            throw Malformed()
        }
    }
}
