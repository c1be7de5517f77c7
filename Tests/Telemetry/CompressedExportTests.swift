import MartletTypes
import Testing

@testable import Telemetry

@Suite("Compressed exports")
struct CompressedExportTests {
    private static let json = Array(
        String(repeating: #"{"name":"gen_ai.client.operation.duration"},"#, count: 200).utf8)

    @Test("What is compressed comes back, and is smaller", arguments: [0, 1, 43, 8_600])
    func roundTrip(count: Int) throws {
        let bytes = Array(Self.json.prefix(count))
        let frame = CompressedExport.compressing(bytes)
        #expect(CompressedExport.isCompressed(frame))
        #expect(try CompressedExport.expanding(frame, limit: count) == bytes)
        if count > 1_000 { #expect(frame.count * 5 < count) }
    }

    @Test("JSON does not pass for a frame")
    func json() {
        #expect(!CompressedExport.isCompressed(Self.json))
        #expect(!CompressedExport.isCompressed([]))
    }

    @Test("Every frame that was cut short is refused, and so is what is no frame")
    func torn() {
        let frame = CompressedExport.compressing(Self.json)
        for length in 0..<frame.count {
            #expect(throws: TelemetryError(.invalidDocument, "")) {
                try CompressedExport.expanding(Array(frame.prefix(length)), limit: 1 << 20)
            }
        }
        #expect(throws: TelemetryError(.invalidDocument, "")) {
            try CompressedExport.expanding(Self.json, limit: 1 << 20)
        }
        #expect(throws: TelemetryError(.invalidDocument, "")) {
            try CompressedExport.expanding(frame + [1, 2, 3], limit: 1 << 20)
        }
    }

    @Test("A flipped bit never crashes and never yields more than the limit")
    func flips() {
        let frame = CompressedExport.compressing(Self.json)
        for position in frame.indices {
            for bit in 0..<8 {
                var damaged = frame
                damaged[position] ^= 1 << bit
                guard let bytes = try? CompressedExport.expanding(damaged, limit: 10_000) else { continue }
                #expect(bytes.count <= 10_000)
            }
        }
    }

    @Test("A bomb is refused before it is unpacked")
    func bomb() {
        let bomb = CompressedExport.compressing([UInt8](repeating: 0x20, count: 64 << 20))
        #expect(bomb.count < 16 << 10)
        #expect(throws: TelemetryError(.tooManyPoints, "")) {
            try CompressedExport.expanding(bomb, limit: Limits.telemetryBodyBytes)
        }
    }

    @Test("Several frames in a row are one document, as senders that stream write them")
    func frames() throws {
        let first = CompressedExport.compressing(Array("{\"a\":".utf8))
        let second = CompressedExport.compressing(Array("1}".utf8))
        #expect(try CompressedExport.expanding(first + second, limit: 100) == Array("{\"a\":1}".utf8))
    }

    @Test("A frame that asks for a window of 128 MiB is refused")
    func window() {
        // Magic, a descriptor without a size, a window descriptor of 2^27 bytes, and an empty last raw block.
        let frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, UInt8((27 - 10) << 3), 0x01, 0x00, 0x00]
        #expect(throws: TelemetryError(.invalidDocument, "")) {
            try CompressedExport.expanding(frame, limit: 100)
        }
    }
}
