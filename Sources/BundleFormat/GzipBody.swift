internal import CArchive
internal import MartletTypes

/// Bodies that came with `Content-Encoding: gzip` (RFC 9110 section 8.4.1.3).
package enum GzipBody {
    /// The decompressed bytes, of which there may be `limit`: a small body can say a large one.
    ///
    /// Throws `tooLarge` beyond it, `archiveFailed` for what is not gzip or is cut off.
    package static func decompress(_ body: [UInt8], limit: Int) throws(BundleError) -> [UInt8] {
        guard body.starts(with: [0x1f, 0x8b]) else {
            throw BundleError(.archiveFailed, document, "", "it is not gzip")
        }
        guard let archive = archive_read_new() else {
            throw BundleError(.archiveFailed, document, "", "libarchive did not start")
        }
        defer { archive_read_free(archive) }
        // Anything but OK for the filter means that libarchive would run a program from PATH.
        guard archive_read_support_filter_gzip(archive) == ARCHIVE_OK,
            archive_read_support_format_raw(archive) == ARCHIVE_OK
        else { throw failure(archive) }
        let result = body.withUnsafeBytes { bytes in
            Result { () throws(BundleError) -> [UInt8] in try read(archive, bytes, limit) }
        }
        return try result.get()
    }

    private static let document = "gzip body"

    private static func read(
        _ archive: OpaquePointer, _ body: UnsafeRawBufferPointer, _ limit: Int
    ) throws(BundleError) -> [UInt8] {
        var header: OpaquePointer?
        guard archive_read_open_memory(archive, body.baseAddress, body.count) == ARCHIVE_OK,
            archive_read_next_header(archive, &header) == ARCHIVE_OK,
            // Without its own magic the body would be passed through as it is.
            archive_filter_code(archive, 0) == ARCHIVE_FILTER_GZIP
        else { throw failure(archive) }
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
            guard count >= 0 else { throw failure(archive) }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else {
                throw BundleError(.tooLarge, document, "", "it has more than \(limit) bytes when decompressed")
            }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private static func failure(_ archive: OpaquePointer) -> BundleError {
        let text = archive_error_string(archive).map { String(cString: $0) } ?? "it cannot be read"
        return BundleError(.archiveFailed, document, "", text)
    }
}
