import Foundation

/// A GGUF file that is valid in every field and as large as wanted: its one matrix holds noise.
enum BigModel {
    /// Writes it; the file has a little more than `megabytes`. The same seed gives the same file.
    static func write(to path: String, megabytes: Int, seed: UInt64 = 1) throws {
        // 1024 columns of float32 are 4 KiB, so that 256 rows are a MiB.
        let (columns, rows) = (1024, 256 * megabytes)
        var head = Data("GGUF".utf8)
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { head.append(contentsOf: $0) }
        }
        func append(_ text: String) {
            append(UInt64(text.utf8.count))
            head.append(Data(text.utf8))
        }
        append(UInt32(3))
        append(UInt64(1))
        append(UInt64(3))
        for (key, value) in [("general.architecture", "llama"), ("general.name", "noise \(seed)")] {
            append(key)
            append(UInt32(8))
            append(value)
        }
        append("llama.embedding_length")
        append(UInt32(4))
        append(UInt32(columns))
        append("blk.0.noise.weight")
        append(UInt32(2))
        append(UInt64(columns))
        append(UInt64(rows))
        append(UInt32(0))
        append(UInt64(0))
        head.append(Data(count: (32 - head.count % 32) % 32))
        guard FileManager.default.createFile(atPath: path, contents: head) else {
            throw CocoaError(.fileWriteUnknown)
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.seekToEnd()
        var state = seed
        for _ in 0..<megabytes {
            var words = [UInt64](repeating: 0, count: 1 << 17)
            for index in words.indices {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                words[index] = state
            }
            try words.withUnsafeBytes { try handle.write(contentsOf: $0) }
        }
        try handle.close()
    }
}
