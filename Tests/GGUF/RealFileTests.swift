import Foundation
import GGUF
import MartletTypes
import TestSupport
import Testing

/// The models and adapters that stand in Tests/Fixtures/models, with their provenance.
enum ModelFixture {
    static func path(_ name: String) -> String { Checkout.fixture("models/\(name)") }

    static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path(name))))
    }
}

@Suite("Real GGUF files")
struct RealFileTests {
    @Test(
        "quantized models say what they are",
        arguments: [
            ("tiny/tiny-v1.Q4_0.gguf", "Q4_0", 820_544 as Int64), ("tiny/tiny-v1.Q4_K_M.gguf", "Q4_K_M", 862_784),
            ("tiny/tiny-v1.Q8_0.gguf", "Q8_0", 1_450_048),
        ])
    func models(name: String, quantization: String, size: Int64) throws {
        let shape = try GGUFFile.read(path: ModelFixture.path(name)).shape()
        #expect(shape.architecture == "llama")
        #expect(shape.name == "tiny-v1")
        #expect(shape.quantization == quantization)
        #expect(shape.fileSize.bytes == size)
        #expect(shape.parameterCount == 1_344_768)
        #expect(shape.contextLength == 512)
        #expect(shape.embeddingLength == 256)
        #expect(shape.blockCount == 2)
        #expect(shape.headCount == 4)
        #expect(shape.headCountKV == 2)
        #expect(shape.keyLength == 64)
        #expect(shape.valueLength == 64)
        #expect(shape.feedForwardLength == 512)
        #expect(shape.vocabularySize == 640)
        #expect(!shape.isAdapter)
        #expect(shape.adapterAlpha == nil)
    }

    @Test("bytes are counted by tensor type")
    func bytesByType() throws {
        let shape = try GGUFFile.read(path: ModelFixture.path("tiny/tiny-v1.Q4_0.gguf")).shape()
        #expect(shape.tensorBytesByType == ["Q4_0": 663_552, "Q6_K": 134_400, "F32": 5120])
        #expect(shape.tensorBytes.bytes == 803_072)
    }

    @Test(
        "adapters are told from models",
        arguments: [
            ("tiny/tiny-lora-v1.gguf", "F32", 28, 8.0), ("smollm2/lora-v1.F16.gguf", "F16", 420, 16.0),
            ("smollm2/lora-v2.F16.gguf", "F16", 420, 16.0),
        ])
    func adapters(name: String, quantization: String, tensors: Int, alpha: Double) throws {
        let file = try GGUFFile.read(path: ModelFixture.path(name))
        let shape = try file.shape()
        #expect(file.tensors.count == tensors)
        #expect(shape.isAdapter)
        #expect(shape.adapterAlpha == alpha)
        #expect(shape.quantization == quantization)
        #expect(shape.architecture == "llama")
    }

    @Test("the files that crash an engine on load are sound as files", arguments: ["tiny", "smollm2"])
    func crashing(folder: String) throws {
        let shape = try GGUFFile.read(path: ModelFixture.path("\(folder)/crash-lora.gguf")).shape()
        #expect(shape.isAdapter && shape.adapterAlpha != nil)
    }

    @Test("token lists are measured and not kept")
    func arrays() throws {
        let file = try GGUFFile.read(path: ModelFixture.path("tiny/tiny-v1.Q4_0.gguf"))
        let tokens = try #require(file.metadata["tokenizer.ggml.tokens"]?.array)
        #expect(tokens.count == 640 && tokens.elementType == .string && tokens.integers == nil)
        #expect(file.metadata["tokenizer.ggml.merges"]?.array?.count == 381)
        #expect(file.metadata["tokenizer.ggml.token_type"]?.array?.integers?.count == 640)
        #expect(file.metadata["tokenizer.chat_template"]?.string?.hasPrefix("{% for message") == true)
        #expect(file.metadata["tokenizer.ggml.add_bos_token"] == .bool(false))
        #expect(file.metadata.count == 25)
    }

    @Test("a mapped file and a buffer read alike")
    func sources() throws {
        let name = "tiny/tiny-v1.Q4_0.gguf"
        let mapped = try GGUFFile.read(path: ModelFixture.path(name))
        let buffered = try GGUFFile(source: ByteBuffer(ModelFixture.bytes(name)))
        #expect(mapped.tensors == buffered.tensors)
        #expect(mapped.dataOffset == buffered.dataOffset)
        #expect(mapped.fileSize == buffered.fileSize)
    }

    @Test(
        "what is no regular file is unreadable", arguments: ["/dev/null", "/", "/nonexistent/model.gguf", "/dev/zero"])
    func unreadable(path: String) throws {
        let error = try #require(throws: GGUFError.self) { try GGUFFile.read(path: path) }
        #expect(error.reason == .unreadable)
        #expect(error.message.contains(path))
        #expect(error.fault == .environment)
    }

    @Test("an empty file is truncated, not mapped")
    func empty() throws {
        let folder = try TemporaryFolder("gguf")
        try Data().write(to: URL(fileURLWithPath: folder.file("empty")))
        let error = try #require(throws: GGUFError.self) { try GGUFFile.read(path: folder.file("empty")) }
        #expect(error.reason == .truncated)
    }

    @Test("a file cut short under the map is an error, not a signal")
    func cutWhileMapped() throws {
        let folder = try TemporaryFolder("gguf")
        let path = folder.file("model")
        try FileManager.default.copyItem(atPath: ModelFixture.path("tiny/tiny-v1.Q4_0.gguf"), toPath: path)
        let mapped = try MappedFile(path: path)
        #expect(truncate(path, 100) == 0)
        let error = try #require(throws: GGUFError.self) { try GGUFFile(source: mapped) }
        #expect(error.reason == .changedWhileReading)
    }
}
