import Foundation
import MartletTypes
import TestSupport
import Testing

/// The real agent and the real registry, with a bad wire between them.
@Suite("A device with a bad link", .serialized)
struct NetworkFaultTests {
    private static let slot = "s"

    @Test("serves through every fault of the wire, asks rarely, and installs as soon as it can")
    func faults() async throws {
        try await Site.ready("net") { site in
            let device = try await site.startDevice("w1")
            let models = ["tiny-v1.Q4_0.gguf", "tiny-v2.Q4_0.gguf", "tiny-v1.Q8_0.gguf", "tiny-v2.Q8_0.gguf"]
            for number in 0..<8 {
                try await site.martlet(
                    "publish", StoryTests.tiny(models[number % 4]), "--as", "clinic/m\(number):1.0.0")
            }
            try await rollOut(site, 0)
            try await site.waitUntilServing("w1", Self.slot, "clinic/m0:1.0.0")

            let wire = try await Wire.put(before: site)
            defer { wire.end() }
            // Nothing comes through: serving goes on, and the registry is not asked all the time.
            for (number, mode) in [Wire.Mode.closes, .silent, .garbage].enumerated() {
                wire.set(mode)
                let before = wire.connections
                try await rollOut(site, number + 1)
                try await Task.sleep(for: .seconds(8))
                #expect(wire.connections - before < 60, "\(mode): \(wire.connections - before) connections in 8 s")
                #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200, "\(mode)")
                wire.set(.pass)
                try await site.waitUntilServing("w1", Self.slot, "clinic/m\(number + 1):1.0.0", within: 180)
            }
            // Something comes through: that is kept, and in the end all is there.
            for (number, mode) in [
                Wire.Mode.cutAfter(250_000), .corrupts(400_000), .slow(600_000), .stallsAfter(800_000),
            ].enumerated() {
                wire.set(mode)
                try await rollOut(site, number + 4)
                // The registry hears of it over the same wire.
                try await eventually(within: 240, "\(mode): it is installed\n\(device.process.lastWords)") {
                    try DataFolder(path: device.data).slots().first { $0.slot == Self.slot }?.current
                        == "clinic/m\(number + 4)/1.0.0"
                }
                #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200, "\(mode)")
            }
            #expect(wire.stalled > 0)
            wire.set(.pass)
            try await site.waitUntilServing("w1", Self.slot, "clinic/m7:1.0.0", within: 180)
            #expect(try DataFolder(path: device.data).rotten() == [])
            #expect(try await device.process.stop(within: 60) == 0, "\(device.process.lastWords)")
        }
    }

    private func rollOut(_ site: Site, _ number: Int) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/m\(number):1.0.0", "--selector", "site=berlin", "--slot", Self.slot, "--soak",
            "0s")
    }
}
