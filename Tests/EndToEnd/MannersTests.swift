import Foundation
import Glibc
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// What real agents leave to others: the network, the processor, a board that is warm.
@Suite("An agent's manners", .serialized)
struct MannersTests {
    private static let first = StoryTests.tiny("tiny-v1.Q4_0.gguf")
    private static let second = StoryTests.tiny("tiny-v2.Q4_0.gguf")

    private func rollOut(_ site: Site, _ release: String, slot: String = "s") async throws {
        try await site.martlet("rollout", "start", release, "--selector", "", "--slot", slot, "--soak", "0s")
    }

    /// Where a device keeps a file once it has come.
    private func blob(_ file: String, of data: String) throws -> String {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        return data + "/blobs/sha256/" + Digest.of(Array(bytes)).hex
    }

    private func phase(_ data: String) throws -> String? { try DataFolder(path: data).slots().first?.phase }

    // MARK: The network

    @Test("two slots that are filled at once take together no more than the device's limit")
    func bandwidth() async throws {
        let speed = 128 * 1024
        try await Site.ready("mb") { site in
            let device = try await site.startDevice("w1", settings: #", "bandwidthBytesPerSecond": \#(speed)"#)
            try await site.martlet("publish", Self.first, "--as", "clinic/a:1.0.0")
            try await site.martlet("publish", Self.second, "--as", "clinic/b:1.0.0")
            let blobs = try [Self.first, Self.second].map { try blob($0, of: device.data) }
            let start = ContinuousClock.now
            try await rollOut(site, "clinic/a:1.0.0", slot: "a")
            try await rollOut(site, "clinic/b:1.0.0", slot: "b")
            try await eventually(within: 120, "both have come\n\(device.process.output.suffix(3000))") {
                blobs.allSatisfy { FileManager.default.fileExists(atPath: $0) }
            }
            let time = ContinuousClock.now - start
            let bytes = try blobs.map { try Data(contentsOf: URL(fileURLWithPath: $0)).count }.reduce(0, +)
            // Of a tenth of a second, in which a timer may be late, nothing is lost.
            let least = Duration.seconds(Double(bytes) / Double(speed) - 0.1)
            #expect(time >= least, "\(bytes) bytes within \(time)")
            try await site.waitUntilServing("w1", "a", "clinic/a:1.0.0")
            try await site.waitUntilServing("w1", "b", "clinic/b:1.0.0")
            #expect(try await device.process.stop() == 0)
        }
    }

    @Test("an installation waits for the window of downloads, and goes on when it opens")
    func schedule() async throws {
        try await Site.ready("ms") { site in
            // By the clock of the wall, from ten minutes ahead on, for an hour.
            let opening = (Int64(Date().timeIntervalSince1970) / 60 + 10) * 60
            let words = [opening, opening + 3600].map { String(format: "%02d:%02d", $0 / 3600 % 24, $0 / 60 % 60) }
            let window = words.joined(separator: "-")
            let device = try await site.startDevice("w1", settings: #", "background": {"windows": ["\#(window)"]}"#)
            #expect(try await device.process.stop() == 0)
            try await site.martlet("publish", Self.first, "--as", "clinic/a:1.0.0")
            let blob = try blob(Self.first, of: device.data)

            let waiting = try await site.startAgent("w1", environment: ["TZ": "UTC"])
            try await rollOut(site, "clinic/a:1.0.0")
            try await eventually(within: 90, "it is to be fetched\n\(waiting.process.output.suffix(3000))") {
                try phase(device.data) == "fetching"
            }
            // That nothing comes only time can show: as long as this takes without a window several times over.
            try await Task.sleep(for: .seconds(3))
            #expect(try phase(device.data) == "fetching" && !FileManager.default.fileExists(atPath: blob))
            #expect(try await waiting.process.stop() == 0)

            // Half a minute before the window opens, by the agent's clock, from when that clock is made.
            let clock = try await ClockTests.ShiftedClock(site, by: 0)
            let shift = opening - 30 - Int64(Date().timeIntervalSince1970)
            try clock.shift(by: shift)
            let agent = try await site.startAgent(
                "w1", environment: clock.environment.merging(["TZ": "UTC"]) { $1 })
            var looks = 0
            while true {
                let isThere = FileManager.default.fileExists(atPath: blob)
                guard Int64(Date().timeIntervalSince1970) + shift < opening else { break }
                #expect(!isThere, "it came before the window opened")
                looks += 1
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(looks > 0)
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")
            #expect(try await agent.process.stop() == 0)
        }
    }

    // MARK: Requests

    /// How long the slot fetched, by the agent's own journal.
    private func fetching(_ slot: String, of device: Site.Device) async throws -> Int64 {
        let status = try await DeviceStatus.of(device.data)
        let history = try #require(status[slot]).history.sorted { $0.time < $1.time }
        let begin = try #require(history.firstIndex { $0.phase == "fetching" }, "\(history)")
        let end = try #require(history[begin...].first { $0.phase != "fetching" }, "\(history)")
        return end.time.milliseconds - history[begin].time.milliseconds
    }

    @Test("what is fetched gives way to a request that runs, and comes in spite of one that never ends")
    func requests() async throws {
        try await Site.ready("mr") { site in
            let device = try await site.startDevice("w1")
            try await site.martlet("publish", Self.first, "--as", "clinic/a:1.0.0")
            try await site.martlet("publish", Self.second, "--as", "clinic/b:1.0.0")
            try await rollOut(site, "clinic/a:1.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")

            // An engine that stands still answers when it goes on.
            let engine = try #require(DataFolder(path: device.data).engines().keys.first)
            kill(engine, SIGSTOP)
            defer { kill(engine, SIGCONT) }
            async let answer = Chat.ask(device.gateway, model: "s", "The pump is")
            try await rollOut(site, "clinic/b:1.0.0", slot: "t")
            let blob = try blob(Self.second, of: device.data)
            try await eventually(within: 60, "it comes all the same\n\(device.process.output.suffix(3000))") {
                FileManager.default.fileExists(atPath: blob)
            }
            kill(engine, SIGCONT)
            #expect(try await answer == 200)
            try await site.waitUntilServing("w1", "t", "clinic/b:1.0.0")
            // Each piece is held for two seconds, and there is one at least.
            #expect(try await fetching("t", of: device) >= 2000)
            #expect(try await device.process.stop() == 0)
        }
    }

    // MARK: Heat

    @Test(
        "downloads and evaluations wait while the board is warm, and go on when it has cooled down",
        .enabled("a board's sensors can be laid over the kernel's only by root") { await Board.isPossible })
    func heat() async throws {
        try await Site.ready("mh") { site in
            let first = try await site.startDevice("w1")
            #expect(try await first.process.stop() == 0)
            // All three with the same questions, so that the third release brings nothing that is not there.
            for (version, file) in [("1.0.0", Self.first), ("2.0.0", Self.second), ("3.0.0", Self.first)] {
                try await site.martlet("publish", file, "--as", "clinic/a:\(version)", "--eval", StoryTests.seen)
            }
            // Profiles that name no zone count this one.
            let board = try Board(site, sensors: ["acpitz"])
            try board.heat(90)
            let agent = try await site.startAgent("w1", under: board.command).process
            try await rollOut(site, "clinic/a:1.0.0")
            try await waits(first.data, in: "fetching", agent)
            #expect(try !FileManager.default.fileExists(atPath: blob(Self.first, of: first.data)))
            try board.heat(40)
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")

            try await rollOut(site, "clinic/a:2.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/a:2.0.0")
            try board.heat(90)
            try await rollOut(site, "clinic/a:3.0.0")
            try await waits(first.data, in: "evaluating", agent)
            #expect(try await site.device("w1").slots[SlotName("s")]?.current.map(\.reference) == ["clinic/a:2.0.0"])
            try board.heat(40)
            try await site.waitUntilServing("w1", "s", "clinic/a:3.0.0")
            #expect(try await agent.stop() == 0, "\(agent.output.suffix(3000))")
        }
    }

    /// Waits until the slot is in a phase, and looks that it stays there for longer than the phase takes: only time
    /// can show that it does not go on.
    private func waits(_ data: String, in name: String, _ agent: RunningProcess) async throws {
        try await eventually(within: 120, "it is \(name)\n\(agent.output.suffix(3000))") { try phase(data) == name }
        for _ in 0..<12 {
            try await Task.sleep(for: .milliseconds(500))
            #expect(try phase(data) == name)
        }
    }

    // MARK: Processor and disk

    @Test("what fetches and what hashes comes last for processor and disk, and nothing else of the agent does")
    func niceness() async throws {
        try await Site.ready("mn") { site in
            let device = try await site.startDevice("w1", settings: #", "background": {"niceness": 12}"#)
            try await site.martlet("publish", Self.first, "--as", "clinic/a:1.0.0")
            try await rollOut(site, "clinic/a:1.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/a:1.0.0")
            let pid = device.process.pid
            let usual = try niceness("/proc/\(pid)/task/\(pid)")
            var found: Set<String> = []
            for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task") {
                let folder = "/proc/\(pid)/task/\(thread)"
                // One that has ended meanwhile is none of those that stay.
                guard let nice = try? niceness(folder), let comm = try? KernelFile.text(folder + "/comm") else {
                    continue
                }
                let name = comm.trimmingCharacters(in: .newlines)
                let disk = try await run("/usr/bin/ionice", ["-p", thread]).output
                found.insert(name)
                if ["blobs", "trees", "transfers"].contains(name) {
                    #expect(nice == 12, "\(name)")
                    #expect(disk.contains("best-effort: prio 7"), "\(name): \(disk)")
                } else {
                    // The runtime library gives some of its threads more than others where it may: as root.
                    #expect(nice <= usual, "\(name)")
                    #expect(!disk.contains("prio 7"), "\(name): \(disk)")
                }
            }
            #expect(found.isSuperset(of: ["blobs", "transfers"]) && found.count > 2, "\(found)")
            #expect(try await device.process.stop() == 0)
        }
    }

    /// Of a thread, by its folder. The fields stand behind the name in parentheses: the state is the third, the
    /// niceness the nineteenth (proc(5)).
    private func niceness(_ thread: String) throws -> Int {
        let stat = try KernelFile.text(thread + "/stat")
        let fields = try stat[#require(stat.lastIndex(of: ")"))...].split(separator: " ")
        return try #require(fields.count > 17 ? Int(fields[17]) : nil)
    }
}
