import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

/// The power goes, or a stick is pulled, while a bundle is taken in; and one bundle for a whole fleet.
@Suite("Bundles that are cut off", .serialized)
struct BundleInterruptionTests {
    /// Where in the bundle the kill comes, as a share of its bytes, and who is killed.
    private static let points: [(share: Double, killsAgent: Bool, file: String)] = [
        (0.02, true, "tiny-v2.Q4_0.gguf"), (0.4, true, "tiny-v1.Q8_0.gguf"), (0.9, true, "tiny-v2.Q8_0.gguf"),
        (1, true, "tiny-v1.Q4_K_M.gguf"), (0.5, false, "tiny-v1.Q4_0.gguf"),
    ]

    @Test("SIGKILL in the middle of an installation leaves what served or what came, and the same again succeeds")
    func kill() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        signal(SIGPIPE, SIG_IGN)
        let site = try Site("cut")
        try await site.startRegistry()
        try await site.initializeTrust()
        try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
        var device = try await site.startDevice("w1", policy: #", "offlineInstall": "allowed""#)
        try await site.martlet(
            "rollout", "start", "clinic/base:1.0.0", "--selector", "site=berlin", "--slot", "s", "--soak", "1s",
            "--wait")
        for (number, point) in Self.points.enumerated() {
            try await site.martlet(
                "publish", StoryTests.tiny(point.file), "--as", "clinic/base:\(number + 2).0.0")
            try await site.martlet(
                "export", "clinic/base:\(number + 2).0.0", "--valid", "2d", "--to", site.folder.file("\(number).tar"))
        }
        try await site.stopRegistry()
        for (number, point) in Self.points.enumerated() {
            let (old, new) = ("clinic/base/\(number + 1).0.0", "clinic/base/\(number + 2).0.0")
            let bundle = site.folder.file("\(number).tar")
            let running = try await cut(bundle, point.share, killsAgent: point.killsAgent, device, site)
            device = running
            try await eventually(within: 90, "after \(point) it serves\n\(running.process.output.suffix(3000))") {
                let slot = try await Self.slot(running)
                guard slot.serving, slot.current == [old] || (point.share == 1 && slot.current == [new]) else {
                    return false
                }
                return try await Chat.ask(running.gateway, model: "s", "hello") == 200
            }
            let again = try await installAgain(bundle, site)
            #expect(again.status == 0, "\(point): \(again) \(device.process.output.suffix(3000))")
            #expect(try await Self.slot(device).current == [new])
            #expect(try await Chat.ask(device.gateway, model: "s", "hello") == 200)
        }
        #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
    }

    /// Brings the whole bundle, as soon as the agent is done with what came of the one that was cut.
    private func installAgain(_ bundle: String, _ site: Site) async throws -> Finished {
        let end = ContinuousClock.now + .seconds(120)
        while true {
            let done = try await site.install("w1", ["--from", bundle, "--slot", "s", "--wait", "120"])
            let isTooEarly = done.errors.contains("Another bundle is being taken in")
            guard isTooEarly, ContinuousClock.now < end else { return done }
        }
    }

    /// Gives the device so much of a bundle, by a pipe, and kills the agent or the program that brings it. Returns the
    /// device as it runs afterwards.
    private func cut(
        _ bundle: String, _ share: Double, killsAgent: Bool, _ device: Site.Device, _ site: Site
    ) async throws -> Site.Device {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: bundle))
        let pipe = site.folder.file("pipe-\(share)-\(killsAgent)")
        #expect(mkfifo(pipe, 0o600) == 0)
        let bringing = try RunningProcess(
            Checkout.product("martlet-agent"),
            ["install", "--data", device.data, "--from", pipe, "--slot", "s"], log: pipe + ".log")
        let feed = PipeFeed(pipe, bytes.prefix(Int(Double(bytes.count) * share)))
        try await eventually(within: 60, "somebody reads the pipe\n\(bringing.output)") { feed.open() }
        try await eventually(within: 60, "the bytes are read\n\(bringing.output)") { feed.isRead() }
        // The whole bundle is there: the agent is somewhere between its last byte and the switch.
        if share == 1 { feed.end() }
        defer { feed.end() }
        guard killsAgent else {
            bringing.signal(SIGKILL)
            _ = try await bringing.exitCode(within: 30)
            return device
        }
        device.process.signal(SIGKILL)
        _ = try await device.process.exitCode(within: 30)
        feed.end()
        _ = try await bringing.exitCode(within: 60)
        return try await site.startAgent("w1")
    }

    private static func slot(_ device: Site.Device) async throws -> CapturedScene.AgentAnswer.Slot {
        let said = try await run(
            Checkout.product("martlet-agent"), ["status", "--data", device.data, "--output", "json"])
        let answer = try JSONText.decode(CapturedScene.AgentAnswer.self, from: Array(said.output.utf8))
        return try #require(answer.slots.first { $0.slot == "s" })
    }

    @Test("one bundle of a fleet brings each of its devices what it is assigned, and no other device anything")
    func fleet() async throws {
        let site = try Site("flt")
        try await site.startRegistry()
        try await site.initializeTrust()
        try await site.publishLine()
        for (name, place) in [("w1", "berlin"), ("w2", "berlin"), ("w3", "bonn")] {
            let device = try await site.startDevice(name, labels: ["site=\(place)"])
            #expect(try await device.process.stop() == 0)
        }
        try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
        let bundle = site.folder.file("wards.tar.zst")
        let nothing = try await site.export(["--fleet", "wards", "--valid", "2d", "--to", bundle])
        #expect(nothing.status != 0 && nothing.errors.contains("Nothing was ever assigned"), "\(nothing.errors)")
        let unknown = try await site.export(["--fleet", "cellars", "--to", bundle])
        #expect(unknown.errors.contains("no fleet cellars") && unknown.errors.contains("martlet fleets"), "\(unknown)")
        for (release, slot) in [("clinic/triage:1.0.0", "triage"), ("clinic/base:1.0.0", "base")] {
            try await site.martlet(
                "rollout", "start", release, "--selector", "site=berlin", "--slot", slot, "--soak", "1s", "--wave",
                "100%")
        }
        try await eventually(within: 60, "both devices have assignments to be exported") {
            let made = try await site.export(["--fleet", "wards", "--valid", "2d", "--zstd", "--to", bundle])
            return made.status == 0 && made.output.contains("2 devices") && made.output.contains("clinic/triage")
        }
        try await site.stopRegistry()
        for name in ["w1", "w2"] {
            let device = try await site.startAgent(name)
            let installed = try await site.install(name, ["--from", bundle, "--wait", "120"])
            #expect(installed.status == 0, "\(installed) \(device.process.output.suffix(3000))")
            #expect(try await Chat.ask(device.gateway, model: "triage", "hello") == 200)
            #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
        }
        let other = try await site.startAgent("w3")
        let refused = try await site.install("w3", ["--from", bundle])
        #expect(refused.status != 0 && refused.errors.contains("[bundleForOthers]"), "\(refused.errors)")
        #expect(try await other.process.stop() == 0)
    }
}

/// Writes bytes into a named pipe without ever waiting for its reader.
///
/// `@unchecked Sendable`: one test uses it, one call after the other.
private final class PipeFeed: @unchecked Sendable {
    private let path: String
    private var left: Data
    private var descriptor: Int32 = -1

    init(_ path: String, _ bytes: Data) { (self.path, left) = (path, bytes) }

    /// Whether there is a reader.
    func open() -> Bool {
        descriptor = Glibc.open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
        return descriptor >= 0
    }

    /// Writes what the pipe takes; whether the reader has all of it.
    func isRead() -> Bool {
        while !left.isEmpty {
            let count = left.prefix(32 * 1024).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return false }
            left = left.dropFirst(count)
        }
        var waiting: Int32 = 0
        return ioctl(descriptor, UInt(FIONREAD), &waiting) == 0 && waiting == 0
    }

    func end() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
