import DeviceProfiles
import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// What a device's profile says, in what the real agent does. The profile is named in its configuration, as it holds on
/// any machine then.
@Suite("A device of a named profile", .serialized)
struct NamedProfileTests {
    private static let first = StoryTests.tiny("tiny-v1.Q4_0.gguf")
    private static let second = StoryTests.tiny("tiny-v2.Q4_0.gguf")
    /// What those models were trained with.
    private static let trainedTokens = 512

    private static func named(_ profile: String) -> String { #", "profile": "\#(profile)""# }

    private func rollOut(_ site: Site, _ version: String) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/a:\(version)", "--selector", "", "--slot", "s", "--soak", "0s")
    }

    /// The engine of the slot, once it runs.
    private func engine(_ device: Site.Device) async throws -> EngineProcess {
        let folder = DataFolder(path: device.data)
        try await eventually(within: 60, "an engine runs\n\(device.process.output.suffix(3000))") {
            try folder.enginesBySlot()["s"] != nil
        }
        return try #require(try folder.enginesBySlot()["s"])
    }

    // MARK: Engines

    /// That an engine was started as a profile says, by this machine's engine and its number of processors.
    private func expect(_ engine: EngineProcess, isAs profile: DeviceProfile, threads: Int, help: String) {
        let rule = profile.engine
        let name = "\(profile.id): \(engine.arguments)"
        if help.contains("--load-mode") {
            #expect(engine.value("--load-mode") == rule.loadMode.rawValue, "\(name)")
        } else {
            #expect(engine.arguments.contains("--no-mmap") == (rule.loadMode == .none), "\(name)")
        }
        #expect(engine.arguments.contains("--no-repack") == !rule.repack, "\(name)")
        #expect(engine.value("--cache-type-k") == rule.cacheType?.rawValue, "\(name)")
        #expect(engine.value("--cache-type-v") == rule.cacheType?.rawValue, "\(name)")
        let tokens = min(rule.contextTokens, Self.trainedTokens) * rule.parallelRequests
        #expect(engine.value("--ctx-size") == String(tokens), "\(name)")
        #expect(engine.value("--parallel") == String(rule.parallelRequests), "\(name)")
        #expect(engine.value("--threads") == String(threads), "\(name)")
    }

    @Test("starts engines with the profile's flags, context and threads, and with the owner's threads where he says")
    func engines() async throws {
        let program = try #require(Checkout.llamaServer, "llama-server is missing; `make test` obtains it")
        let help = try await run(program, ["--help"]).output
        let catalog = try ProfileCatalog.embedded()
        let small = try catalog.profile("raspberry-pi-zero-2w")
        let large = try catalog.profile("raspberry-pi-5")
        // They differ in all that the test is about.
        #expect(small.engine.loadMode == .mmap && !small.engine.repack && small.engine.cacheType == .q8_0)
        #expect(large.engine.loadMode == .none && large.engine.repack && large.engine.cacheType == nil)
        try await Site.ready("pe") { site in
            let device = try await site.startDevice("w1", settings: Self.named(small.id), threads: nil)
            try await site.martlet("publish", Self.first, "--as", "clinic/a:1.0.0")
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")
            #expect(try await DeviceStatus.of(device.data).agent.profile == small.id)
            let cores = try #require(try await site.device("w1").inventory?.facts.cpu.usableCores)
            let threads = min(3, max(1, cores * 75 / 100))
            expect(try await engine(device), isAs: small, threads: threads, help: help)
            #expect(try await device.process.stop() == 0)

            // More than a profile of these gives on any machine.
            try site.configure("w1", settings: Self.named(large.id), threads: 5)
            let other = try await site.startAgent("w1")
            expect(try await engine(other), isAs: large, threads: 5, help: help)
            #expect(try await other.process.stop() == 0)
        }
    }

    // MARK: Heat

    @Test(
        "waits and starts no engine above the profile's limits, by the sensors that the profile names",
        .enabled("a board's sensors can be laid over the kernel's only by root") { await Board.isPossible })
    func heat() async throws {
        let profile = try ProfileCatalog.embedded().profile("raspberry-pi-4")
        let thermal = try #require(profile.thermal)
        let sensor = try #require(thermal.zones.first)
        try await Site.ready("ph") { site in
            let device = try await site.startDevice("w1", settings: Self.named(profile.id))
            #expect(try await device.process.stop() == 0)
            // The third brings nothing that is not there.
            for (version, file) in [("1.0.0", Self.first), ("2.0.0", Self.second), ("3.0.0", Self.first)] {
                try await site.martlet("publish", file, "--as", "clinic/a:\(version)")
            }
            let board = try Board(site, sensors: ["acpitz", sensor])
            // One that the profile does not name.
            try board.heat(thermal.refuseStartCelsius + 10, sensor: 0)
            let agent = try await site.startAgent("w1", under: board.command)
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")

            try board.heat(thermal.pauseBackgroundCelsius + 1, sensor: 1)
            try await rollOut(site, "2.0.0")
            let folder = DataFolder(path: agent.data)
            try await eventually(within: 60, "it is to be fetched\n\(agent.process.output.suffix(3000))") {
                try folder.slots().first?.phase == "fetching"
            }
            // That it does not go on only time can show: it looks at the board every five seconds.
            for _ in 0..<12 {
                try await Task.sleep(for: .milliseconds(500))
                #expect(try folder.slots().first?.phase == "fetching")
            }
            try board.heat(thermal.pauseBackgroundCelsius, sensor: 1)
            try await site.waitUntilServing("w1", "s", "clinic/a:2.0.0")

            try await eventually(within: 60, "one engine is left") { folder.engines().count == 1 }
            let served = folder.engines()
            let watch = EngineWatch(folder)
            try board.heat(thermal.refuseStartCelsius + 1, sensor: 1)
            try await rollOut(site, "3.0.0")
            let refusal = "warmer than \(thermal.refuseStartCelsius) °C"
            try await eventually(within: 60, "it is told\n\(agent.process.output.suffix(3000))") {
                try await site.martlet("devices", "reports", "w1").output.contains(refusal)
            }
            let history = try #require(try await DeviceStatus.of(agent.data)["s"]).history
            #expect(history.contains { $0.cause.contains("tooHot") }, "\(history)")
            #expect(folder.engines() == served)
            let most = await watch.stop()
            #expect(most == 1)
            #expect(try await Chat.ask(agent.gateway, model: "s", "hello") == 200)
            try board.heat(thermal.pauseBackgroundCelsius, sensor: 1)
            try await site.waitUntilServing("w1", "s", "clinic/a:3.0.0")
            #expect(try await agent.process.stop() == 0, "\(agent.process.output.suffix(3000))")
        }
    }

    @Test(
        "asks no candidate beside what serves above the profile's limit for background work, and goes on below it",
        .enabled("a board's sensors can be laid over the kernel's only by root") { await Board.isPossible })
    func shadow() async throws {
        let profile = try ProfileCatalog.embedded().profile("raspberry-pi-4")
        let thermal = try #require(profile.thermal)
        try await Site.ready("pc") { site in
            let board = try Board(site, sensors: [try #require(thermal.zones.first)])
            let device = try await site.startDevice("w1", settings: Self.named(profile.id))
            #expect(try await device.process.stop() == 0)
            for version in ["1.0.0", "2.0.0"] {
                try await site.martlet("publish", Self.first, "--as", "clinic/a:\(version)")
            }
            let agent = try await site.startAgent("w1", under: board.command)
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")

            let policy = site.folder.file("policy.yaml")
            try "waves: [100%]\nsoak: 0s\nshadow: {share: 100%, comparison: normalized, samples: 4, maxTime: 10m}\n"
                .write(toFile: policy, atomically: true, encoding: .utf8)
            try await site.martlet(
                "rollout", "start", "clinic/a:2.0.0", "--selector", "", "--slot", "s", "--policy", policy)
            let folder = DataFolder(path: agent.data)
            try await eventually(within: 60, "answers are compared\n\(agent.process.output.suffix(3000))") {
                try folder.slots().first?.phase == "shadowing"
            }
            try board.heat(thermal.pauseBackgroundCelsius + 1)
            // More than the policy asks for.
            for _ in 0..<6 { #expect(try await Chat.ask(agent.gateway, model: "s", "hello") == 200) }
            for _ in 0..<6 {
                try await Task.sleep(for: .milliseconds(500))
                #expect(try folder.slots().first?.phase == "shadowing")
            }
            try board.heat(thermal.pauseBackgroundCelsius)
            try await eventually(within: 120, "enough are compared\n\(agent.process.output.suffix(3000))") {
                _ = try await Chat.ask(agent.gateway, model: "s", "hello")
                return try folder.slots().first?.phase == "committed"
            }
            try await site.waitUntilServing("w1", "s", "clinic/a:2.0.0")
            let reports = try await site.json([DeviceReport].self, "devices", "reports", "w1")
            let result = try #require(reports.compactMap { $0.figures?.shadow }.max { $0.compared < $1.compared })
            #expect(result.compared == 4 && result.passedOver >= 6, "\(result)")
            #expect(try await agent.process.stop() == 0, "\(agent.process.output.suffix(3000))")
        }
    }

    // MARK: Disk

    @Test(
        "leaves the profile's reserve of the disk free, goes on when there is more, and heeds the owner's reserve",
        .enabled(if: SmallDisk.isPossible, "a small tmpfs can be mounted only by root outside a sandbox"))
    func reserve() async throws {
        try await Site.ready("pr") { site in
            let data = site.folder.file("devices/w1")
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            // Less than an agent leaves free that knows no profile.
            let disk = try SmallDisk(kibibytes: 64 << 10, on: data)
            let device = try await site.startDevice("w1", settings: Self.named("raspberry-pi-4"))
            try await site.martlet("publish", Self.first, "--as", "clinic/a:1.0.0")
            let weights = try Data(contentsOf: URL(fileURLWithPath: Self.first))
            // Of so small a disk a quarter. What is left of it holds half of the weights.
            var status = statvfs()
            try #require(statvfs(disk.path, &status) == 0)
            let free = Int(status.f_bavail) * Int(status.f_bsize)
            let filler = data + "/filler"
            let left = (16 << 20) + weights.count / 2
            try Data(count: free - left).write(to: URL(fileURLWithPath: filler))
            try await rollOut(site, "1.0.0")
            try await eventually(within: 60, "it is refused\n\(device.process.output.suffix(3000))") {
                try await site.json([DeviceReport].self, "devices", "reports", "w1").contains { $0.code == "diskFull" }
            }
            // It names what is left above the reserve: something, and no more than was left to it.
            let reports = try await site.json([DeviceReport].self, "devices", "reports", "w1")
            let message = try #require(reports.first { $0.code == "diskFull" }?.message)
            let words = message.split(separator: " ").map(String.init)
            let room = try #require(Double(words.dropLast().last ?? ""), "\(message)")
            try #require(words.last == "KiB." && (1...Double(weights.count) / 2048).contains(room), "\(message)")
            let blob = data + "/blobs/sha256/" + Digest.of(Array(weights)).hex
            #expect(!FileManager.default.fileExists(atPath: blob))
            #expect(try FileManager.default.contentsOfDirectory(atPath: data + "/partial").isEmpty)
            try FileManager.default.removeItem(atPath: filler)
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")
            #expect(try await device.process.stop() == 0)

            // The owner's word is above the profile's: with no more free than before nothing is left to others.
            try site.configure("w1", settings: Self.named("raspberry-pi-4") + #", "diskReserveBytes": 0"#)
            try Data(count: free - left).write(to: URL(fileURLWithPath: filler))
            let agent = try await site.startAgent("w1")
            try await site.martlet("publish", Self.second, "--as", "clinic/a:2.0.0")
            try await rollOut(site, "2.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/a:2.0.0")
            #expect(try await agent.process.stop() == 0)
        }
    }
}
