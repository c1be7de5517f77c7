/// Bytes of known length that can be read at any place: what the reader stands on.
package protocol ByteSource: Sendable {
    /// The number of bytes.
    var length: UInt64 { get }

    /// The `count` bytes from `offset` on, as a copy.
    ///
    /// The caller has checked that they lie within `length`; an implementation checks again and throws rather than
    /// touch anything outside.
    func bytes(at offset: UInt64, count: UInt64) throws(GGUFError) -> [UInt8]
}

/// Bytes in memory.
package struct ByteBuffer: ByteSource {
    private let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package var length: UInt64 { UInt64(bytes.count) }

    package func bytes(at offset: UInt64, count: UInt64) throws(GGUFError) -> [UInt8] {
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= length else {
            throw GGUFError(.truncated, field: "bytes", offset: offset, detail: "the buffer has \(length) bytes")
        }
        return Array(bytes[Int(offset)..<Int(end)])
    }
}
