import DeviceProfiles
import Foundation
import MartletAPI
import MartletTypes
import Synchronization
import TestSupport
import Testing

/// How many engines of a data folder run at a time, at most.
final class EngineWatch: Sendable {
    private let most = Mutex(0)
    private let task: Mutex<Task<Void, Never>?> = Mutex(nil)

    init(_ folder: DataFolder) {
        let task = Task { [weak self] in
            while !Task.isCancelled, let self {
                // While one look lasts an engine may end and another start: together ran those that are seen twice.
                let seen = folder.engines()
                let again = seen.count > 1 ? folder.engines() : seen
                // A script that starts an engine may be several processes for a moment, of one generation.
                let count = Set(seen.filter { again[$0.key] != nil }.values).count
                most.withLock { $0 = max($0, count) }
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
        self.task.withLock { $0 = task }
    }

    func stop() async -> Int {
        let task = task.withLock { $0 }
        task?.cancel()
        await task?.value
        return most.withLock { $0 }
    }

    deinit { task.withLock { $0?.cancel() } }
}

/// Slots of one real agent that have less memory together than all of them take.
@Suite("Slots that share memory", .serialized)
struct SharedBudgetTests {
    private static let first = StoryTests.tiny("tiny-v1.Q4_0.gguf")
    private static let second = StoryTests.tiny("tiny-v2.Q4_0.gguf")

    private func rollOut(_ site: Site, _ release: String, slot: String) async throws {
        try await site.martlet("rollout", "start", release, "--selector", "", "--slot", slot, "--soak", "0s")
        try await site.waitUntilServing("w1", slot, release)
    }

    /// Stops the agent and starts it with other settings, on the same gateway port.
    private func restart(_ site: Site, _ device: Site.Device, _ settings: String) async throws -> Site.Device {
        #expect(try await device.process.stop() == 0)
        try site.configure("w1", settings: settings)
        return try await site.startAgent("w1", gateway: device.gateway)
    }

    // MARK: The owner's settings

    @Test("take turns within the owner's budget and by his times, and sleep when he says")
    func settings() async throws {
        try await Site.ready("sb") { site in
            let device = try await site.startDevice("w1")
            for (slot, file) in [("a", Self.first), ("b", Self.second)] {
                try await site.martlet("publish", file, "--as", "clinic/\(slot):1.0.0")
                try await rollOut(site, "clinic/\(slot):1.0.0", slot: slot)
            }
            let folder = DataFolder(path: device.data)
            try await eventually(within: 60, "both run") { folder.engines().count == 2 }
            let needs = try await DeviceStatus.of(device.data).slots.compactMap(\.memory)
            try #require(needs.count == 2)
            let budget = try #require(needs.max()) + #require(needs.min()) / 2
            let sharing = #", "slots": {"memoryBudgetBytes": \#(budget), "minResidenceSeconds": "#
            var agent = try await restart(site, device, sharing + "1}")
            #expect(try await DeviceStatus.of(device.data).agent.memory?.budget == budget)
            try await turns(agent)
            agent = try await restart(site, agent, sharing + #"3600}, "gateway": {"maxParkSeconds": 2}"#)
            try await residence(agent)
            agent = try await restart(site, agent, #", "slots": {"idleSeconds": 1}"#)
            try await sleep(agent)
            #expect(try await agent.process.stop() == 0)
        }
    }

    /// Both answer in turn, and never both run.
    private func turns(_ agent: Site.Device) async throws {
        let watch = EngineWatch(DataFolder(path: agent.data))
        for slot in ["a", "b", "a", "b"] {
            let answer = try await Chat.ask(agent.gateway, model: slot, "hello")
            #expect(answer == 200, "\(slot)\n\(agent.process.output.suffix(3000))")
        }
        let most = await watch.stop()
        #expect(most == 1)
    }

    /// What was just started stays, and nobody waits for its place longer than a request may.
    private func residence(_ agent: Site.Device) async throws {
        let folder = DataFolder(path: agent.data)
        // At the agent's start one of them gets the room.
        try await eventually(within: 60, "one runs and the other rests\n\(agent.process.output.suffix(3000))") {
            let engines = try await DeviceStatus.of(agent.data).slots.compactMap(\.engine)
            return engines.contains("running") && engines.contains { $0.hasPrefix("resting") }
        }
        let before = try folder.enginesBySlot()
        let other = before.keys.contains("a") ? "b" : "a"
        #expect(before.count == 1)
        let answer = try await Curl.get(
            agent.gateway + "/v1/chat/completions", "-i", "-H", "Content-Type: application/json", "-d",
            #"{"model":"\#(other)","messages":[{"role":"user","content":"hello"}]}"#)
        #expect(answer.status == 503 && answer.body.contains("started a moment ago"), "\(answer)")
        let pause = answer.body.split(whereSeparator: \.isNewline).first { $0.lowercased().hasPrefix("retry-after:") }
        let seconds = pause?.split(separator: " ").last.flatMap { Int($0) }
        // Without the owner's word it is ten seconds.
        #expect((60...3601).contains(seconds ?? 0), "\(answer.body)")
        // Sooner than without that word, by which it is thirty seconds.
        try await eventually(within: 20, "it is waited for no longer") {
            try await DeviceStatus.of(agent.data)[other]?.engine?.hasPrefix("resting") == true
        }
        #expect(try folder.enginesBySlot() == before)
    }

    /// Engines that nobody asks end, and start when asked.
    private func sleep(_ agent: Site.Device) async throws {
        let folder = DataFolder(path: agent.data)
        try await eventually(within: 60, "both sleep\n\(agent.process.output.suffix(3000))") {
            let slots = try await DeviceStatus.of(agent.data).slots
            return folder.engines().isEmpty && slots.allSatisfy { $0.engine == "resting: no request for 1 s" }
        }
        let answer = try await Chat.ask(agent.gateway, model: "a", "hello")
        #expect(answer == 200, "\(agent.process.output.suffix(3000))")
    }

    // MARK: What the board has

    /// The longest that a release's installation kept requests waiting, by its reports.
    private func gap(_ site: Site, _ generation: Int64?) async throws -> Int64 {
        try await site.json([DeviceReport].self, "devices", "reports", "w1")
            .filter { $0.generation == generation }.compactMap { $0.figures?.unavailableMilliseconds }.max() ?? 0
    }

    @Test(
        "take one another's place where the board has no memory for both",
        .enabled("a board's memory can be laid over the kernel's only by root") { await Board.isPossible })
    func board() async throws {
        let profile = try ProfileCatalog.embedded().profile("raspberry-pi-4")
        let reserve = Int64(profile.memory.reserveMiB) << 10
        let named = #", "profile": "\#(profile.id)", "slots": {"minResidenceSeconds": 0}"#
        try await Site.ready("sm") { site in
            let device = try await site.startDevice("w1", settings: named)
            for (release, file) in [("a:1.0.0", Self.first), ("a:2.0.0", Self.second), ("b:1.0.0", Self.second)] {
                try await site.martlet("publish", file, "--as", "clinic/\(release)")
            }
            try await rollOut(site, "clinic/a:1.0.0", slot: "a")
            try await rollOut(site, "clinic/a:2.0.0", slot: "a")
            // With memory for both requests do not wait while one takes over from the other.
            #expect(try await gap(site, site.device("w1").slots[SlotName("a")]?.generation) == 0)
            let need = try #require(try await DeviceStatus.of(device.data)["a"]?.memory) / 1024
            #expect(try await device.process.stop() == 0)

            // Models may have enough for three, but only half of one is free.
            let board = try Board(site, sensors: ["cpu-thermal"])
            let three = max(reserve + 3 * need, 3 * need * 100 / Int64(profile.memory.sharePercent) + 1)
            try board.hold(kibibytes: three, available: reserve + need / 2)
            var agent = try await site.startAgent("w1", under: board.command)
            try await rollOut(site, "clinic/a:1.0.0", slot: "a")
            #expect(try await gap(site, site.device("w1").slots[SlotName("a")]?.generation) > 0)
            #expect(try await agent.process.stop() == 0)

            // Models may have enough for one, and only half of one is free while another runs.
            try board.hold(kibibytes: reserve + need * 3 / 2, available: reserve + need / 2)
            agent = try await site.startAgent("w1", under: board.command)
            #expect(try await DeviceStatus.of(agent.data).agent.memory?.budget == need * 3 / 2 * 1024)
            let watch = EngineWatch(DataFolder(path: agent.data))
            try await rollOut(site, "clinic/b:1.0.0", slot: "b")
            for slot in ["a", "b"] { #expect(try await Chat.ask(agent.gateway, model: slot, "hello") == 200) }
            let most = await watch.stop()
            #expect(most == 1)
            #expect(try await agent.process.stop() == 0)
        }
    }
}
