internal import CZstd
internal import MartletTypes

/// An export as a device keeps and sends it: its JSON compressed with Zstandard (RFC 8878).
///
/// A device writes one every minute for years and may be behind a link that is paid by the byte; JSON with the same
/// keys
/// in every point shrinks to about a tenth.
package enum CompressedExport {
    /// The content coding that says so in HTTP (RFC 8878, section 7.2).
    package static let contentCoding = "zstd"
    /// The largest window that a receiver must support, and that we allocate: 8 MiB (RFC 9659).
    private static let windowLog: Int32 = 23
    private static let level: Int32 = 3
    private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

    /// The JSON compressed; the JSON itself where libzstd has no memory for it.
    package static func compressing(_ json: [UInt8]) -> [UInt8] {
        var written = 0
        let bound = ZSTD_compressBound(json.count)
        let frame = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            written = ZSTD_compress(buffer.baseAddress, bound, json, json.count, level)
            count = ZSTD_isError(written) == 0 ? written : 0
        }
        return frame.isEmpty ? json : frame
    }

    /// Whether these bytes are a Zstandard frame; JSON never begins like one.
    package static func isCompressed(_ bytes: [UInt8]) -> Bool { bytes.starts(with: magic) }

    /// What was compressed. Throws `invalidDocument` for what is no whole frame, `tooManyPoints` beyond `limit` bytes.
    ///
    /// Never holds more than `limit` bytes and one window, whatever the frame claims.
    package static func expanding(_ bytes: [UInt8], limit: Int) throws(TelemetryError) -> [UInt8] {
        guard let context = ZSTD_createDCtx() else {
            throw TelemetryError(.invalidDocument, "There is no memory to expand the export.")
        }
        defer { ZSTD_freeDCtx(context) }
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)
        var json: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: ZSTD_DStreamOutSize())
        var position = 0
        // Zero says that a frame ended just there; without any input nothing did.
        var left = 1
        while true {
            let produced = step(context, bytes, &position, &chunk, &left)
            guard ZSTD_isError(left) == 0 else {
                let reason = String(cString: ZSTD_getErrorName(left))
                throw TelemetryError(.invalidDocument, "The export is not whole Zstandard: \(reason).")
            }
            json.append(contentsOf: chunk[..<produced])
            guard json.count <= limit else {
                throw TelemetryError(.tooManyPoints, "The export expands beyond \(limit) bytes.")
            }
            if position == bytes.count, produced < chunk.count { break }
        }
        guard left == 0 else {
            throw TelemetryError(.invalidDocument, "The export is not whole Zstandard: it ends within a frame.")
        }
        return json
    }

    /// Expands into `chunk` what fits; returns how much that is.
    private static func step(
        _ context: OpaquePointer, _ bytes: [UInt8], _ position: inout Int, _ chunk: inout [UInt8], _ left: inout Int
    ) -> Int {
        bytes.withUnsafeBytes { source in
            chunk.withUnsafeMutableBytes { target in
                var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: position)
                var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                left = ZSTD_decompressStream(context, &output, &input)
                position = input.pos
                return output.pos
            }
        }
    }
}
