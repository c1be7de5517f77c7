import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Several slots on one device, by the real programs.
@Suite("Slots of one device", .serialized)
struct SharedBaseTests {
    private static let base = StoryTests.tiny("tiny-v1.Q4_0.gguf")

    /// The inodes that a process has mapped from files of that name or digest.
    private func mapped(_ pid: Int32, _ path: String) throws -> Set<Substring> {
        let maps = try KernelFile.text("/proc/\(pid)/maps")
        return Set(
            maps.split(separator: "\n").filter { $0.hasSuffix(path) }
                .compactMap { line in
                    let words = line.split(separator: " ", omittingEmptySubsequences: true)
                    return words.count > 4 ? words[4] : nil
                })
    }

    @Test("Adapters of one base: fetched once, mapped once, counted once, swapped beside a slot under load")
    func sharedBase() async throws {
        try await Site.ready("shared") { site in
            try await site.martlet("publish", Self.base, "--as", "clinic/base:1.0.0")
            for (repository, version, file) in [
                ("triage", "1.0.0", "tiny-lora-v1.gguf"), ("billing", "1.0.0", "tiny-lora-v2.gguf"),
                ("triage", "2.0.0", "tiny-lora-v2.gguf"),
            ] {
                try await site.martlet(
                    "publish", StoryTests.tiny(file), "--as", "clinic/\(repository):\(version)", "--adapter-of",
                    "clinic/base:1.0.0")
            }
            let device = try await site.startDevice("box")
            try await roll(site, "triage", "1.0.0")
            try await roll(site, "billing", "1.0.0")

            // The base came with the first; the second brought its adapter alone.
            let reports = try await site.json([DeviceReport].self, "devices", "reports", "box")
            let fetched = reports.filter { $0.slot?.text == "billing" }.compactMap { $0.figures?.bytesFetched }.max()
            let adapter = try Data(contentsOf: URL(fileURLWithPath: StoryTests.tiny("tiny-lora-v2.gguf"))).count
            #expect(fetched == Int64(adapter))
            let digest = Digest.of(Array(try Data(contentsOf: URL(fileURLWithPath: Self.base))))
            let blobs = StoryTests.files(under: device.data + "/blobs").filter { $0.hasSuffix(digest.hex) }
            #expect(blobs.count == 1)

            // Both run on the same file, each with its own adapter.
            let before = try DataFolder(path: device.data).enginesBySlot()
            #expect(before.keys.sorted() == ["billing", "triage"])
            for engine in before.values {
                let model = URL(fileURLWithPath: try #require(engine.value("--model"))).resolvingSymlinksInPath()
                #expect(model.path == URL(fileURLWithPath: try #require(blobs.first)).resolvingSymlinksInPath().path)
                #expect(engine.value("--lora")?.hasSuffix("adapter-1.gguf") == true)
            }
            // One that was just started maps its files while it loads.
            try await eventually(within: 60, "both have one and the same file mapped") {
                let inodes = try before.values.map { try mapped($0.pid, digest.hex) }
                return inodes[0] == inodes[1] && inodes[0].count == 1
            }
            let now = try await DeviceStatus.of(device.data)
            let size = Int64(try Data(contentsOf: URL(fileURLWithPath: Self.base)).count)
            #expect(now.agent.memory?.taken == now.slots.compactMap(\.memory).reduce(0, +) - size)

            // Another adapter starts against the mapped base, and the other slot notices nothing.
            let load = try site.startLoad([device.gateway], slot: "billing", eval: StoryTests.seen)
            try await roll(site, "triage", "2.0.0")
            try await site.martlet("rollback", "--device", "box", "--slot", "triage", "--reason", "drill", "--wait")
            try await site.waitUntilServing("box", "triage", "clinic/triage:1.0.0")
            let figures = try await load.stopAfter(requests: 3)
            #expect(figures.failed == 0, "\(figures.failures)")
            let after = try DataFolder(path: device.data).enginesBySlot()
            #expect(after["billing"]?.pid == before["billing"]?.pid && after["triage"]?.pid != before["triage"]?.pid)
            #expect(StoryTests.files(under: device.data + "/blobs").filter { $0.hasSuffix(digest.hex) }.count == 1)
            #expect(try await device.process.stop() == 0)
        }
    }

    @Test("A slot that sleeps when idle serves for the registry, is seen resting on the device, and answers")
    func sleeping() async throws {
        try await Site.ready("sleeping") { site in
            try await site.martlet("publish", Self.base, "--as", "clinic/base:1.0.0")
            let device = try await site.startDevice("box")
            try await site.martlet(
                "rollout", "start", "clinic/base:1.0.0", "--selector", "site=berlin", "--slot", "triage", "--soak",
                "1s",
                "--idle-seconds", "1", "--priority", "5", "--cpu-percent", "200", "--wait")
            let folder = DataFolder(path: device.data)
            try await eventually(within: 60, "the engine was ended") { folder.engines().isEmpty }
            let slot = try #require(try await DeviceStatus.of(device.data).slots.first)
            #expect(slot.serving && slot.engine?.hasPrefix("resting: no request") == true && slot.memory == nil)
            #expect(try await site.device("box").slots[SlotName("triage")]?.serving == true)
            // This machine delegates no control group to a test: the status says what that means. A second later it
            // sleeps again.
            try await eventually(within: 60, "it answers, and is seen awake with its limits") {
                guard try await Chat.ask(device.gateway, model: "triage", "hello") == 200 else { return false }
                let awake = try await DeviceStatus.of(device.data).slots.first
                return folder.engines().count == 1
                    && ["processor time is not limited", "200 %"].contains { awake?.limits?.contains($0) == true }
            }
            try await site.martlet(
                "rollout", "start", "clinic/base:1.0.0", "--selector", "site=berlin", "--slot", "triage",
                "--priority", "500", expecting: 64)
            #expect(try await device.process.stop() == 0)
        }
    }

    private func roll(_ site: Site, _ slot: String, _ version: String) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/\(slot):\(version)", "--selector", "site=berlin", "--slot", slot, "--soak",
            "1s",
            "--wait")
        try await site.waitUntilServing("box", slot, "clinic/\(slot):\(version)")
    }
}
