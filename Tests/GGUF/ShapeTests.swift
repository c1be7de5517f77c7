import GGUF
import MartletTypes
import Testing

@Suite("Shape and split")
struct ShapeTests {
    /// A model of one matrix of each given type, of 1024 numbers times `weight`.
    private func model(fileType: UInt32?, _ parts: [(name: String, type: GGUFTensorType, weight: UInt64)]) throws
        -> GGUFFile
    {
        var builder = GGUFBuilder()
        builder.entries = [.text("general.architecture", "llama")]
        if let fileType { builder.entries.append(.uint32("general.file_type", fileType)) }
        var offset: UInt64 = 0
        for part in parts {
            builder.tensors.append(
                .init(part.name, [1024, part.weight], type: part.type.rawValue, offset: offset))
            let bytes = 1024 / part.type.blockElements * part.type.blockBytes * part.weight
            offset += (bytes + 31) / 32 * 32
        }
        builder.dataLength = Int(offset)
        return try GGUFFile(source: ByteBuffer(builder.bytes))
    }

    @Test(
        "the recipe is named where the tensors bear it out, the dominant type where they do not",
        arguments: [
            (15 as UInt32?, GGUFTensorType.q4_k, "Q4_K_M"), (14, .q4_k, "Q4_K_S"), (15, .q5_0, "Q4_K_M"),
            (15, .q8_0, "Q8_0"), (2, .f16, "F16"), (nil, .q4_k, "Q4_K"), (1024, .iq4_xs, "IQ4_XS"),
            (999, .bf16, "BF16"),
            (38, .mxfp4, "MXFP4_MOE"), (36, .tq1_0, "TQ1_0"), (0, .f32, "F32"), (19, .iq2_xxs, "IQ2_XXS"),
        ])
    func recipes(fileType: UInt32?, type: GGUFTensorType, name: String) throws {
        let file = try model(fileType: fileType, [("blk.0.w", type, 4), ("token_embd.weight", .f16, 64)])
        #expect(try file.shape().quantization == name)
    }

    @Test("every tensor type measures its rows", arguments: GGUFTensorType.allCases)
    func types(type: GGUFTensorType) throws {
        let file = try model(fileType: nil, [("w", type, 2)])
        #expect(file.tensors[0].byteCount == 2048 / type.blockElements * type.blockBytes)
        #expect(try file.shape().tensorBytesByType == [type.name: Int64(file.tensors[0].byteCount)])
    }

    @Test("heads for each layer count by the largest")
    func headArrays() throws {
        var builder = GGUFBuilder.sound()
        builder.entries += [
            .uint32("llama.embedding_length", 64), .uint32("llama.attention.head_count", 8),
            .array("llama.attention.head_count_kv", 5, count: 3, [2, 4, 1].flatMap { Int32($0).littleEndianBytes }),
        ]
        let shape = try GGUFFile(source: ByteBuffer(builder.bytes)).shape()
        #expect(shape.headCountKV == 4)
        #expect(shape.keyLength == 8)
    }

    @Test(
        "layers with a window are counted by the file's marks, by its period, or by what llama.cpp takes",
        arguments: [
            ("llama", nil as GGUFBuilder.Entry?, nil as Int?), ("gemma3", nil, 22), ("gemma2", nil, 13),
            ("gpt-oss", nil, 13), ("phi3", nil, nil),
            ("gemma4", .uint32("gemma4.attention.sliding_window_pattern", 6), 22),
            ("gemma4", .array("gemma4.attention.sliding_window_pattern", 7, count: 4, [1, 1, 0, 1]), 3),
            ("gemma4", .array("gemma4.attention.sliding_window_pattern", 4, count: 1, [1, 0, 0, 0]), 1),
        ])
    func windows(architecture: String, pattern: GGUFBuilder.Entry?, layers: Int?) throws {
        var builder = GGUFBuilder()
        builder.entries = [
            .text("general.architecture", architecture), .uint32("\(architecture).block_count", 26),
            .uint32("\(architecture).attention.sliding_window", 512),
        ]
        if let pattern { builder.entries.append(pattern) }
        builder.tensors = [.init("w", [32], type: 0, offset: 0)]
        builder.dataLength = 128
        let shape = try GGUFFile(source: ByteBuffer(builder.bytes)).shape()
        #expect(shape.slidingWindow == 512)
        #expect(shape.windowedLayers == layers)
        builder.entries.remove(at: 2)
        #expect(try GGUFFile(source: ByteBuffer(builder.bytes)).shape().windowedLayers == nil)
    }

    @Test(
        "how a model embeds is what its file says, and the mean where a model that only embeds says nothing",
        arguments: [
            ("llama", nil, nil), ("llama", 0, nil), ("llama", 1, .mean), ("qwen3", 2, .cls), ("qwen3", 3, .last),
            ("qwen3", 4, nil), ("qwen3", 99, nil), ("bert", nil, .mean), ("bert", 2, .cls), ("bert", 4, nil),
        ] as [(String, UInt32?, Pooling?)])
    func pooling(architecture: String, type: UInt32?, pooling: Pooling?) throws {
        var builder = GGUFBuilder()
        builder.entries = [.text("general.architecture", architecture)]
        if let type { builder.entries.append(.uint32("\(architecture).pooling_type", type)) }
        builder.tensors = [.init("w", [32], type: 0, offset: 0)]
        builder.dataLength = 128
        #expect(try GGUFFile(source: ByteBuffer(builder.bytes)).shape().pooling == pooling)
    }

    @Test(
        "keys of the wrong type or range are named",
        arguments: [
            (GGUFBuilder.Entry.text("llama.block_count", "2"), GGUFError.Code.wrongType),
            (.uint32("llama.block_count", .max), .outOfRange), (.float32("llama.context_length", 1), .wrongType),
            (.uint32("general.name", 1), .wrongType), (.text("tokenizer.ggml.tokens", "a"), .wrongType),
            (.array("llama.attention.head_count_kv", 6, count: 1, [0, 0, 0, 0]), .wrongType),
            (.init("general.file_type", 5, Int32(-1).littleEndianBytes), .outOfRange),
        ])
    func wrongKeys(entry: GGUFBuilder.Entry, code: GGUFError.Code) throws {
        var builder = GGUFBuilder.sound()
        builder.entries.append(entry)
        let file = try GGUFFile(source: ByteBuffer(builder.bytes))
        let error = try #require(throws: GGUFError.self) { try file.shape() }
        #expect(error.reason == code)
        #expect(error.message.contains(String(decoding: entry.key, as: UTF8.self)))
        #expect(error.offset > 0)
    }

    @Test("a file without an architecture has no shape")
    func missingArchitecture() throws {
        var builder = GGUFBuilder.sound()
        builder.entries = []
        let file = try GGUFFile(source: ByteBuffer(builder.bytes))
        let error = try #require(throws: GGUFError.self) { try file.shape() }
        #expect(error.reason == .missingKey)
    }

    @Test("a shape is read from any width of number; version 2 reads like version 3")
    func widths() throws {
        var builder = GGUFBuilder.sound()
        builder.version = 2
        builder.entries += [
            .init("llama.block_count", 10, UInt64(7).littleEndianBytes),
            .init("llama.context_length", 5, Int32(128).littleEndianBytes), .init("llama.vocab_size", 0, [9]),
        ]
        let file = try GGUFFile(source: ByteBuffer(builder.bytes))
        let shape = try file.shape(fileSize: ByteCount(5 as Int64))
        #expect(file.version == 2)
        #expect(shape.blockCount == 7 && shape.contextLength == 128 && shape.vocabularySize == 9)
        #expect(shape.fileSize.bytes == 5)
    }

    private func part(_ index: UInt16, of count: UInt16, tensor: String, total: Int32 = 2) throws -> GGUFFile {
        var builder = GGUFBuilder.sound()
        builder.entries += [
            .init("split.no", 2, index.littleEndianBytes), .init("split.count", 2, count.littleEndianBytes),
            .init("split.tensors.count", 5, total.littleEndianBytes),
        ]
        builder.tensors[0].name = tensor
        return try GGUFFile(source: ByteBuffer(builder.bytes))
    }

    @Test("parts of a split model add up")
    func split() throws {
        let parts = [try part(0, of: 2, tensor: "a"), try part(1, of: 2, tensor: "b")]
        #expect(try parts[0].split() == parts[0].split())
        #expect(try parts[1].split()?.index == 1)
        let shape = try GGUFFile.shape(parts: parts)
        #expect(shape.parameterCount == 64)
        #expect(shape.fileSize == parts[0].fileSize + parts[1].fileSize)
    }

    @Test("parts that do not belong together are refused")
    func splitMismatch() throws {
        let a = try part(0, of: 2, tensor: "a")
        let b = try part(1, of: 2, tensor: "b")
        for parts in [[], [a], [b, a], [a, a], [a, try part(1, of: 3, tensor: "c")]] {
            let error = try #require(throws: GGUFError.self) { try GGUFFile.shape(parts: parts) }
            #expect(error.reason == .splitMismatch)
        }
        let same = try #require(throws: GGUFError.self) {
            try GGUFFile.shape(parts: [a, try part(1, of: 2, tensor: "a")])
        }
        #expect(same.reason == .duplicateTensor)
        let short = try #require(throws: GGUFError.self) {
            try GGUFFile.shape(parts: [try part(0, of: 2, tensor: "a", total: 3), b])
        }
        #expect(short.reason == .splitMismatch)
        #expect(throws: GGUFError.self) { try part(2, of: 2, tensor: "a").split() }
    }

    @Test("limits hold for what is kept and for what is walked over")
    func limits() throws {
        var builder = GGUFBuilder.sound()
        let strings = [UInt8](repeating: 0, count: 8 * 100)
        builder.entries += [.text("t", String(repeating: "x", count: 100)), .array("k", 8, count: 100, strings)]
        var limits = GGUFLimits()
        limits.keptStringBytes = 50
        let file = try GGUFFile(source: ByteBuffer(builder.bytes), limits: limits)
        guard case .longText(let range) = file.metadata["t"] else {
            Issue.record("the string was kept")
            return
        }
        #expect(range.length == 100)
        for change: (inout GGUFLimits) -> Void in [
            { $0.visitedElements = 99 }, { $0.keptBytes = 50 }, { $0.arrayElements = 99 }, { $0.tensors = 0 },
            { $0.metadataEntries = 2 },
        ] {
            var limits = GGUFLimits()
            change(&limits)
            let error = try #require(throws: GGUFError.self) {
                try GGUFFile(source: ByteBuffer(builder.bytes), limits: limits)
            }
            #expect(error.reason == .tooMany)
        }
    }
}
