import GGUF
import MartletTypes
import Testing

/// A malformed file: how it differs from a sound one, and how it must be refused.
struct MalformedFile: Sendable, CustomTestStringConvertible {
    let name: String
    let code: GGUFError.Code
    /// The field that the error must name.
    let field: String
    /// The field at whose start the error must point, where it is another one than `field`, plus some bytes.
    let mark: String
    let extra: UInt64
    let change: @Sendable (inout GGUFBuilder) -> Void

    init(
        _ name: String, _ code: GGUFError.Code, _ field: String, at mark: String? = nil, plus extra: UInt64 = 0,
        _ change: @escaping @Sendable (inout GGUFBuilder) -> Void
    ) {
        self.name = name
        self.code = code
        self.field = field
        self.mark = mark ?? field
        self.extra = extra
        self.change = change
    }

    var testDescription: String { name }
}

@Suite("Malformed GGUF files")
struct MalformedFileTests {
    @Test("each is refused by name", arguments: headerCases + valueCases + arrayCases + tensorCases)
    func refused(file: MalformedFile) throws {
        var builder = GGUFBuilder.sound()
        file.change(&builder)
        let (bytes, marks) = builder.build()
        let error = try #require(throws: GGUFError.self) { try GGUFFile(source: ByteBuffer(bytes)) }
        let offset = try #require(marks[file.mark]) + file.extra
        #expect(error.reason == file.code, "\(error)")
        #expect(error.field == file.field, "\(error)")
        #expect(error.offset == offset, "\(error)")
        #expect(error.message.contains(file.field) && error.message.contains("byte \(offset)"), "\(error)")
        #expect(!error.remedy.isEmpty)
    }

    @Test("there are at least forty of them, under distinct names")
    func count() {
        let all = headerCases + valueCases + arrayCases + tensorCases
        #expect(all.count >= 40)
        #expect(Set(all.map(\.name)).count == all.count)
    }

    @Test("the file they are made from is sound")
    func sound() throws {
        let file = try GGUFFile(source: ByteBuffer(GGUFBuilder.sound().bytes))
        #expect(file.tensors.map(\.name) == ["a.weight"])
        #expect(file.metadata["general.architecture"] == .text("llama"))
    }

    @Test("cut anywhere, the sound file is refused")
    func truncation() throws {
        let bytes = GGUFBuilder.sound().bytes
        for length in 0..<bytes.count {
            #expect(throws: GGUFError.self) { try GGUFFile(source: ByteBuffer(Array(bytes.prefix(length)))) }
        }
    }
}

private let headerCases: [MalformedFile] = [
    .init("empty file", .truncated, "magic") { $0.keep = 0 },
    .init("three bytes", .truncated, "magic") { $0.keep = 3 },
    .init("another format", .badMagic, "magic") { $0.magic = Array("GGML".utf8) },
    .init("a zip archive", .badMagic, "magic") { $0.magic = [0x50, 0x4b, 3, 4] },
    .init("reversed magic", .bigEndian, "magic") { $0.magic = Array("FUGG".utf8) },
    .init("big-endian version", .bigEndian, "version") { $0.version = 0x0300_0000 },
    .init("version 0", .unsupportedVersion, "version") { $0.version = 0 },
    .init("version 1", .unsupportedVersion, "version") { $0.version = 1 },
    .init("version 4", .unsupportedVersion, "version") { $0.version = 4 },
    .init("cut in the version", .truncated, "version") { $0.keep = 6 },
    .init("cut in n_tensors", .truncated, "n_tensors") { $0.keep = 12 },
    .init("cut in n_kv", .truncated, "n_kv") {
        $0.tensors = []
        $0.keep = 20
    },
    .init("n_kv of all ones (CVE-2024-23605)", .tooMany, "n_kv") { $0.entryCount = .max },
    .init("n_kv that overflows an allocation", .tooMany, "n_kv") { $0.entryCount = 1 << 58 },
    .init("n_kv under its limit that cannot fit", .truncated, "n_kv") { $0.entryCount = 4096 },
    .init("n_tensors of all ones", .tooMany, "n_tensors") { $0.tensorCount = .max },
    .init("n_tensors under its limit that cannot fit", .truncated, "n_tensors") { $0.tensorCount = 100_000 },
    .init("one pair more than there are", .badName, "metadata[1].key", at: "tensor[0].name", plus: 0) {
        $0.tensors[0].name = ""
        $0.entryCount = 2
    },
    .init("one tensor more than there are", .badName, "tensor[1].name", at: "end") {
        $0.dataLength = 256
        $0.tensorCount = 2
    },
]

private let valueCases: [MalformedFile] = [
    .init("empty key", .badName, "metadata[0].key") { $0.entries[0].key = [] },
    .init("key length beyond the file", .truncated, "metadata[0].key", plus: 8) { $0.entries[0].keyLength = 1000 },
    .init("absurd key length", .tooLong, "metadata[0].key.length", at: "metadata[0].key") {
        $0.entries[0].keyLength = .max
    },
    .init("key with a zero byte", .badName, "metadata[0].key") { $0.entries[0].key = Array("a\0b".utf8) },
    .init("key beyond ASCII", .badName, "metadata[0].key") { $0.entries[0].key = Array("größe".utf8) },
    .init("duplicate key", .duplicateKey, "metadata[\"general.architecture\"]", at: "metadata[1].key") {
        $0.entries.append(.text("general.architecture", "gpt2"))
    },
    .init("value type 13", .unknownValueType, "metadata[\"k\"].type") { $0.entries.append(.init("k", 13, [0])) },
    .init("value type of all ones", .unknownValueType, "metadata[\"k\"].type") {
        $0.entries.append(.init("k", .max, [0]))
    },
    .init("Boolean 2", .badBoolean, "metadata[\"k\"]") { $0.entries.append(.init("k", 7, [2])) },
    .init("string length of all ones", .tooLong, "metadata[\"k\"].length", at: "metadata[\"k\"]") {
        $0.entries.append(.init("k", 8, UInt64.max.littleEndianBytes))
    },
    .init("string length above its limit", .tooLong, "metadata[\"k\"].length", at: "metadata[\"k\"]") {
        $0.entries.append(.init("k", 8, UInt64(1 << 30).littleEndianBytes))
    },
    .init("string length beyond the file", .truncated, "metadata[\"k\"]", plus: 8) {
        $0.entries.append(.init("k", 8, UInt64(1 << 20).littleEndianBytes))
    },
    .init("string that is not UTF-8", .badText, "metadata[\"k\"]", plus: 8) {
        $0.entries.append(.init("k", 8, UInt64(2).littleEndianBytes + [0xc3, 0x28]))
    },
    .init("alignment as a string", .wrongType, "metadata[\"general.alignment\"]") {
        $0.entries.append(.text("general.alignment", "32"))
    },
    .init("alignment as uint64", .wrongType, "metadata[\"general.alignment\"]") {
        $0.entries.append(.init("general.alignment", 10, UInt64(32).littleEndianBytes))
    },
    .init("alignment 0", .badAlignment, "metadata[\"general.alignment\"]") {
        $0.entries.append(.uint32("general.alignment", 0))
    },
    .init("alignment 1", .badAlignment, "metadata[\"general.alignment\"]") {
        $0.entries.append(.uint32("general.alignment", 1))
    },
    .init("alignment 48", .badAlignment, "metadata[\"general.alignment\"]") {
        $0.entries.append(.uint32("general.alignment", 48))
    },
    .init("alignment 2 GiB", .badAlignment, "metadata[\"general.alignment\"]") {
        $0.entries.append(.uint32("general.alignment", 1 << 31))
    },
]

private let arrayCases: [MalformedFile] = [
    .init("array of an unknown type", .unknownValueType, "metadata[\"k\"].elementType", at: "metadata[\"k\"]") {
        $0.entries.append(.array("k", 99, count: 1, [0]))
    },
    .init("array count of all ones", .tooMany, "metadata[\"k\"].count", at: "metadata[\"k\"]", plus: 4) {
        $0.entries.append(.array("k", 4, count: .max, []))
    },
    .init("array whose bytes overflow", .tooMany, "metadata[\"k\"].count", at: "metadata[\"k\"]", plus: 4) {
        $0.entries.append(.array("k", 10, count: 1 << 61, []))
    },
    .init("array beyond the file", .truncated, "metadata[\"k\"].count", at: "metadata[\"k\"]", plus: 4) {
        $0.entries.append(.array("k", 10, count: 1000, [UInt8](repeating: 0, count: 64)))
    },
    .init("bytes passed off as strings", .tooLong, "metadata[\"k\"][0].length", at: "metadata[\"k\"]", plus: 12) {
        $0.entries.append(.array("k", 8, count: 4, [UInt8](repeating: 0xff, count: 32)))
    },
    .init("string in an array beyond the file", .truncated, "metadata[\"k\"][1]", at: "metadata[\"k\"]", plus: 28) {
        $0.entries.append(
            .array("k", 8, count: 2, UInt64(0).littleEndianBytes + UInt64(1 << 20).littleEndianBytes))
    },
    .init(
        "arrays nested without end", .nestedTooDeep, "metadata[\"k\"][0][0][0][0]", at: "metadata[\"k\"]", plus: 48
    ) {
        let level = UInt32(9).littleEndianBytes + UInt64(1).littleEndianBytes
        $0.entries.append(.init("k", 9, Array(repeatElement(level, count: 64).joined())))
    },
    .init(
        "inner array with an absurd count", .tooMany, "metadata[\"k\"][0].count", at: "metadata[\"k\"]", plus: 16
    ) {
        $0.entries.append(.array("k", 9, count: 1, UInt32(4).littleEndianBytes + UInt64.max.littleEndianBytes))
    },
    .init(
        "short array with a bad Boolean is a place, an overlong one is not", .truncated, "metadata[\"k\"].count",
        at: "metadata[\"k\"]", plus: 4
    ) {
        $0.entries.append(.array("k", 7, count: 5000, [2]))
    },
]

private let tensorCases: [MalformedFile] = [
    .init("empty tensor name", .badName, "tensor[0].name") { $0.tensors[0].name = "" },
    .init("tensor name of 64 bytes", .tooLong, "tensor[0].name.length", at: "tensor[0].name") {
        $0.tensors[0].name = String(repeating: "a", count: 64)
    },
    .init("tensor name beyond the file", .tooLong, "tensor[0].name.length", at: "tensor[0].name") {
        $0.tensors[0].nameLength = 1 << 40
    },
    .init("tensor name with a line break", .badName, "tensor[0].name") { $0.tensors[0].name = "a\nb" },
    .init("duplicate tensor name", .duplicateTensor, "tensor[1].name") {
        $0.tensors.append(.init("a.weight", offset: 128))
        $0.dataLength = 256
    },
    .init("no dimension", .badDimensionCount, "tensor[0].n_dimensions") { $0.tensors[0].dimensions = [] },
    .init("five dimensions", .badDimensionCount, "tensor[0].n_dimensions") {
        $0.tensors[0].dimensions = [1, 1, 1, 1, 1]
    },
    .init("dimension count of all ones", .badDimensionCount, "tensor[0].n_dimensions") {
        $0.tensors[0].dimensionCount = .max
    },
    .init("first dimension zero", .badDimension, "tensor[0].dimensions[0]") { $0.tensors[0].dimensions = [0] },
    .init("third dimension zero", .badDimension, "tensor[0].dimensions[2]") { $0.tensors[0].dimensions = [32, 1, 0] },
    .init("dimensions whose product overflows", .badDimension, "tensor[0].dimensions") {
        $0.tensors[0].dimensions = [1 << 32, 1 << 32, 2]
    },
    .init("dimension above what engines count", .badDimension, "tensor[0].dimensions") {
        $0.tensors[0].dimensions = [1 << 63]
    },
    .init("size that overflows (CVE-2025-53630)", .badDimension, "tensor[0].dimensions") {
        $0.tensors[0].dimensions = [1 << 61, 2]
    },
    .init("unknown tensor type", .unknownTensorType, "tensor[0].type") { $0.tensors[0].type = 42 },
    .init("removed tensor type Q4_2", .unknownTensorType, "tensor[0].type") { $0.tensors[0].type = 4 },
    .init("removed tensor type Q4_0_4_4", .unknownTensorType, "tensor[0].type") { $0.tensors[0].type = 31 },
    .init("tensor type of all ones", .unknownTensorType, "tensor[0].type") { $0.tensors[0].type = .max },
    .init("row that is no multiple of a block of 32", .partialBlock, "tensor[0].dimensions[0]") {
        $0.tensors[0].type = 2
        $0.tensors[0].dimensions = [48, 2]
    },
    .init("row that is no multiple of a block of 256", .partialBlock, "tensor[0].dimensions[0]") {
        $0.tensors[0].type = 12
        $0.tensors[0].dimensions = [128, 2]
    },
    .init("offset that is not aligned", .misalignedTensor, "tensor[0].offset") {
        $0.tensors[0].offset = 16
        $0.dataLength = 256
    },
    .init("offset that is not aligned to the file's own alignment", .misalignedTensor, "tensor[0].offset") {
        $0.entries.append(.uint32("general.alignment", 64))
        $0.alignment = 64
        $0.tensors[0].offset = 32
        $0.dataLength = 256
    },
    .init("offset beyond the file", .tensorOutsideFile, "tensor[0].offset") { $0.tensors[0].offset = 1 << 20 },
    .init("offset that overflows", .tensorOutsideFile, "tensor[0].offset") { $0.tensors[0].offset = .max - 31 },
    .init("tensor larger than the file (CVE-2026-7482)", .tensorOutsideFile, "tensor[0].offset") {
        $0.tensors[0].dimensions = [1 << 40]
    },
    .init("tensor whose last byte is missing", .tensorOutsideFile, "tensor[0].offset") { $0.dataLength = 127 },
    .init("two tensors at one place", .overlappingTensors, "tensor[1].offset") { $0.tensors.append(.init("b")) },
    .init("a tensor inside another", .overlappingTensors, "tensor[1].offset") {
        $0.tensors.append(.init("b", [8], offset: 64))
    },
    .init("no tensor data at all", .truncated, "tensor_data", at: "end") {
        $0.alignment = 1
        $0.dataLength = 0
    },
]
