import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// A device whose journal is lost while its keys are not. To the registry a second journal with one certificate is a
/// copy of the box, which it holds until somebody goes there.
@Suite("A device that lost its journal")
struct LostJournalTests {
    @Test("serves on, tells of it, and is updated as before", arguments: ["damaged", "gone"])
    func goesOn(_ loss: String) async throws {
        try await Site.ready("lj") { site in
            let device = try await site.startDevice("w1")
            for (version, file) in [("1.0.0", "tiny-v1.Q4_0.gguf"), ("2.0.0", "tiny-v1.Q8_0.gguf")] {
                try await site.martlet("publish", StoryTests.tiny(file), "--as", "clinic/base:\(version)")
            }
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
            #expect(try await device.process.stop() == 0)
            let journal = device.data + "/journal.sqlite"
            if loss == "damaged" {
                try Data(count: 8192).write(to: URL(fileURLWithPath: journal))
            } else {
                try FileManager.default.removeItem(atPath: journal)
            }

            let agent = try await site.startAgent("w1")
            try await eventually(within: 60, "it is told\n\(agent.process.output.suffix(3000))") {
                try await site.martlet("devices", "reports", "w1").output.contains("journalRecovered")
            }
            try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
            #expect(try await site.device("w1").standing == .active)
            try await rollOut(site, "2.0.0")
            try await site.waitUntilServing("w1", "t", "clinic/base:2.0.0")
            #expect(try await agent.process.stop() == 0)
        }
    }

    private func rollOut(_ site: Site, _ version: String) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/base:\(version)", "--selector", "", "--slot", "t", "--soak", "0s")
    }
}
