import MartletTypes
import Testing

@testable import Publishing

@Suite("What builds need")
struct VariantNeedsTests {
    @Test("requirements are read with their file or for every build")
    func reading() throws {
        let cpu = try VariantNeeds(parsing: "a:b.gguf:cpu=avx2,fma")
        #expect(cpu.file == "a:b.gguf" && cpu.cpuFeatures == ["avx2", "fma"])
        let memory = try VariantNeeds(parsing: "memory=2GiB")
        #expect(memory.file == nil && memory.memory == .mebibytes(2048))
        #expect(try VariantNeeds(parsing: "memory=512").memory == ByteCount(512))
        #expect(try VariantNeeds(parsing: "engine=0.7.0").engineVersion?.text == "0.7.0")
        let both = cpu.and(memory).and(try VariantNeeds(parsing: "cpu=avx2,avx"))
        #expect(both.cpuFeatures == ["avx", "avx2", "fma"] && both.memory == .mebibytes(2048))
    }

    @Test(
        "what is no requirement is refused",
        arguments: [
            "", "cpu", "cpu=", "cpu=a,,b", "cpu=a,a", "cpu=AVX2", "gpu=1", ":cpu=avx2", "memory=", "memory=0",
            "memory=-1", "memory=2GB", "memory=99999999GiB", "engine=new",
        ])
    func refused(text: String) {
        #expect(throws: InvalidValue.self) { try VariantNeeds(parsing: text) }
    }
}
