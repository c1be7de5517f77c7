package import MartletTypes

/// The head of a GGUF file (version 2 or 3, little-endian), read and checked whole: if this exists, the file is sound.
///
/// Reading takes time and memory by the head, not by the weights: tensor data is measured, never touched.
/// Source: ggml `docs/gguf.md`.
package struct GGUFFile: Sendable {
    /// 2 or 3; both have the same layout.
    package let version: UInt32
    /// The key-value pairs.
    package let metadata: GGUFMetadata
    /// The tensor table in the file's order.
    package let tensors: [GGUFTensor]
    /// Where tensor data starts, in bytes from the start of the file.
    package let dataOffset: UInt64
    /// `general.alignment`, 32 where the file does not say.
    package let alignment: UInt64
    /// The length of the file.
    package let fileSize: ByteCount

    /// Reads and checks the head of `source`.
    package init(source: some ByteSource, limits: GGUFLimits = GGUFLimits()) throws(GGUFError) {
        var reader = GGUFReader(source: source, limits: limits)
        self = try reader.file()
    }

    /// Reads and checks the file at `path` through a memory map.
    package static func read(path: String, limits: GGUFLimits = GGUFLimits()) throws(GGUFError) -> GGUFFile {
        try GGUFFile(source: MappedFile(path: path), limits: limits)
    }

    init(
        version: UInt32, metadata: GGUFMetadata, tensors: [GGUFTensor], dataOffset: UInt64, alignment: UInt64,
        fileSize: ByteCount
    ) {
        self.version = version
        self.metadata = metadata
        self.tensors = tensors
        self.dataOffset = dataOffset
        self.alignment = alignment
        self.fileSize = fileSize
    }
}
