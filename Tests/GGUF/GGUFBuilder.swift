import GGUF

/// Builds GGUF files by hand, right ones and wrong ones, and remembers where each field was put.
struct GGUFBuilder {
    /// A key-value pair whose value is given as bytes, so that it can be anything.
    struct Entry {
        var key: [UInt8]
        var type: UInt32
        var value: [UInt8]
        var keyLength: UInt64?

        init(_ key: String, _ type: UInt32, _ value: [UInt8], keyLength: UInt64? = nil) {
            self.key = Array(key.utf8)
            self.type = type
            self.value = value
            self.keyLength = keyLength
        }
    }

    /// A row of the tensor table.
    struct Tensor {
        var name: String
        var dimensions: [UInt64]
        var type: UInt32
        var offset: UInt64
        var nameLength: UInt64?
        var dimensionCount: UInt32?

        init(
            _ name: String, _ dimensions: [UInt64] = [32], type: UInt32 = 0, offset: UInt64 = 0,
            nameLength: UInt64? = nil, dimensionCount: UInt32? = nil
        ) {
            self.name = name
            self.dimensions = dimensions
            self.type = type
            self.offset = offset
            self.nameLength = nameLength
            self.dimensionCount = dimensionCount
        }
    }

    var magic = Array("GGUF".utf8)
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var entryCount: UInt64?
    var entries: [Entry] = []
    var tensors: [Tensor] = []
    var alignment = 32
    /// Bytes of tensor data after the table.
    var dataLength = 128
    /// Bytes cut off or, when positive, kept from the start; nil keeps all.
    var keep: Int?

    /// A small sound file: one architecture key and one tensor of 128 bytes.
    static func sound() -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.entries = [.text("general.architecture", "llama")]
        builder.tensors = [Tensor("a.weight")]
        return builder
    }

    /// The file, and where each field starts, by the reader's names of fields.
    func build() -> (bytes: [UInt8], marks: [String: UInt64]) {
        var bytes = magic
        var marks: [String: UInt64] = ["magic": 0, "version": 4, "n_tensors": 8, "n_kv": 16]
        bytes += version.littleEndianBytes
        bytes += (tensorCount ?? UInt64(tensors.count)).littleEndianBytes
        bytes += (entryCount ?? UInt64(entries.count)).littleEndianBytes
        for (index, entry) in entries.enumerated() {
            let field = "metadata[\"\(String(decoding: entry.key, as: UTF8.self))\"]"
            marks["metadata[\(index)].key"] = UInt64(bytes.count)
            bytes += (entry.keyLength ?? UInt64(entry.key.count)).littleEndianBytes + entry.key
            marks[field + ".type"] = UInt64(bytes.count)
            bytes += entry.type.littleEndianBytes
            marks[field] = UInt64(bytes.count)
            bytes += entry.value
        }
        for (index, tensor) in tensors.enumerated() {
            let field = "tensor[\(index)]"
            marks[field + ".name"] = UInt64(bytes.count)
            bytes += (tensor.nameLength ?? UInt64(tensor.name.utf8.count)).littleEndianBytes + Array(tensor.name.utf8)
            marks[field + ".n_dimensions"] = UInt64(bytes.count)
            bytes += (tensor.dimensionCount ?? UInt32(tensor.dimensions.count)).littleEndianBytes
            marks[field + ".dimensions"] = UInt64(bytes.count)
            for (axis, dimension) in tensor.dimensions.enumerated() {
                marks[field + ".dimensions[\(axis)]"] = UInt64(bytes.count)
                bytes += dimension.littleEndianBytes
            }
            marks[field + ".type"] = UInt64(bytes.count)
            bytes += tensor.type.littleEndianBytes
            marks[field + ".offset"] = UInt64(bytes.count)
            bytes += tensor.offset.littleEndianBytes
        }
        marks["end"] = UInt64(bytes.count)
        if !tensors.isEmpty {
            bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment + dataLength)
        }
        if let keep { bytes = Array(bytes.prefix(keep)) }
        return (bytes, marks)
    }

    /// The file's bytes alone.
    var bytes: [UInt8] { build().bytes }
}

extension GGUFBuilder.Entry {
    /// A string.
    static func text(_ key: String, _ text: String) -> Self {
        Self(key, 8, UInt64(text.utf8.count).littleEndianBytes + Array(text.utf8))
    }

    /// A `uint32`.
    static func uint32(_ key: String, _ value: UInt32) -> Self { Self(key, 4, value.littleEndianBytes) }

    /// A `float32`.
    static func float32(_ key: String, _ value: Float) -> Self { Self(key, 6, value.bitPattern.littleEndianBytes) }

    /// An array with its elements as bytes.
    static func array(_ key: String, _ elementType: UInt32, count: UInt64, _ elements: [UInt8]) -> Self {
        Self(key, 9, elementType.littleEndianBytes + count.littleEndianBytes + elements)
    }
}

extension FixedWidthInteger {
    /// The bytes, least significant first.
    var littleEndianBytes: [UInt8] {
        (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> Self($0 * 8)) }
    }
}
