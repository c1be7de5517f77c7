import Foundation
import GGUF
import TestSupport
import Testing

@Suite("Mutated GGUF files")
struct MutationTests {
    /// Real files; changes hit their heads, cuts fall anywhere.
    private static let names = ["tiny/tiny-v1.Q4_0.gguf", "tiny/tiny-v1.Q4_K_M.gguf", "tiny/tiny-lora-v1.gguf"]

    @Test("flipped, overwritten and cut files are read or refused, never more", arguments: names)
    func mutations(name: String) throws {
        let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
        let seed =
            ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0 ... .max)
        print("mutations of \(name): MARTLET_SEED=\(seed)")
        let original = try ModelFixture.bytes(name)
        let head = Int(try GGUFFile(source: ByteBuffer(original)).dataOffset)
        var random = SeededGenerator(seed: seed)
        var accepted = 0
        var refused: [GGUFError.Code: Int] = [:]
        for _ in 0..<2000 * scale {
            let bytes = mutate(original, head: head, &random)
            do throws(GGUFError) {
                let file = try GGUFFile(source: ByteBuffer(bytes))
                accepted += 1
                for tensor in file.tensors {
                    #expect(tensor.fileOffset + tensor.byteCount <= UInt64(bytes.count), "seed \(seed)")
                }
                _ = try file.shape()
            } catch {
                refused[error.reason, default: 0] += 1
            }
        }
        #expect(refused.values.reduce(0, +) > 0 && accepted > 0, "seed \(seed)")
        #expect(refused.count > 5, "the mutations reach too few checks: \(refused), seed \(seed)")
    }

    private func mutate(_ original: [UInt8], head: Int, _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 0..<head, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1:
                bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 2:
                let values: [UInt64] = [0, 1, .max, 1 << 63, 1 << 32, 0x7fff_ffff, 0xffff_ffff, UInt64(head)]
                let value = values[Int.random(in: 0..<values.count, using: &random)]
                for (index, byte) in value.littleEndianBytes.enumerated() where place + index < bytes.count {
                    bytes[place + index] = byte
                }
            default:
                guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
                bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
                if bytes.count < head { return bytes }
            }
        }
        return bytes
    }
}
