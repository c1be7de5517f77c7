import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// docs/security.md, the row "hostile weights": what publishers signed is meant to harm.
@Suite("Hostile weights", .serialized)
struct HostileWeightsTests {
    private static let slot = "triage"

    @Test("in control of their engine reach no key, no file, no network and no socket; a crash of theirs harms nobody")
    func engine() async throws {
        let real = try #require(Checkout.llamaServer, "llama-server is missing; `make test` obtains it")
        try await Site.ready("hw") { site in
            let tree = URL(fileURLWithPath: real).resolvingSymlinksInPath().deletingLastPathComponent()
                .deletingLastPathComponent().path
            let hostile = try HostileEngine(real: real)
            try hostile.aim(at: .init())
            let device = try await site.startDevice(
                "w1", engine: #", "confine": "required", "readable": ["\#(tree)"]"#,
                extra: ["--llama-server", hostile.program])
            try await site.martlet("publish", StoryTests.tiny("tiny-v2.Q8_0.gguf"), "--as", "clinic/other:1.0.0")
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            try await rollOut(site, "clinic/other:1.0.0", slot: "other")

            let listener = site.folder.file("datagrams")
            let heard = try NotifyListener(listener)
            let targets = try targets(site, device, listener)
            try hostile.aim(at: targets)
            try await rollOut(site, "clinic/base:1.0.0", slot: Self.slot)
            #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200)
            let confined = try #require(try HostileEngine.outcome(in: device.data, slot: Self.slot))
            #expect(confined.count > 25, "\(confined)")
            for (what, outcome) in confined.sorted(by: { $0.key < $1.key }) {
                #expect(outcome != "done", "the engine got through: \(what)")
            }
            #expect(heard.next() == nil, "nothing was heard of it")
            // All of it can be had: only the confinement keeps the engine from it.
            let free = try await hostile.unconfined()
            #expect(free.keys.sorted() == confined.keys.sorted())
            for (what, outcome) in free.sorted(by: { $0.key < $1.key }) {
                #expect(outcome == "done", "\(what) is not there to be had: \(outcome)")
            }
            try lookAtEngines(device)
            try await crash(site, device)
            #expect(try await device.process.stop() == 0)
        }
    }

    /// What an engine would want, and has nothing to do with.
    private func targets(_ site: Site, _ device: Site.Device, _ listener: String) throws -> HostileEngine.Targets {
        let data = device.data
        let identity = StoryTests.files(under: data + "/identity")
        #expect(identity.contains { $0.contains("/key-") && $0.hasSuffix(".pem") }, "\(identity)")
        let other = StoryTests.files(under: data + "/blobs/sha256")
        #expect(other.count >= 2)
        var targets = HostileEngine.Targets()
        targets.read =
            identity + other + [
                data, data + "/journal.sqlite", data + "/identity", data + "/blobs/sha256", data + "/generations",
                site.folder.file("w1.agent.json"), site.folder.file("operator/keys/clinic.pem"),
                site.registryData + "/keys/director.pem", "/etc/passwd", "/etc", "/tmp",
            ] + (geteuid() == 0 ? ["/etc/shadow", "/root"] : [])
        targets.write = ["/journal.sqlite", "", "/run", "/identity", "/generations"].map { data + $0 }
        func port(_ address: String) -> Int { Int(address.split(separator: ":").last ?? "") ?? 0 }
        targets.tcp = [port(site.deviceAddress), port(site.operatorAddress), port(device.gateway)]
        let engine = StoryTests.files(under: data + "/run/engines/other").filter { $0.hasSuffix(".sock") }
        #expect(engine.count == 1)
        targets.streams = [data + "/run/control.sock"] + engine
        targets.datagrams = [listener]
        targets.process = device.process.pid
        return targets
    }

    /// What the kernel says of the engines that run.
    private func lookAtEngines(_ device: Site.Device) throws {
        let engines = DataFolder(path: device.data).engines()
        #expect(engines.count == 2, "\(engines)")
        for pid in engines.keys {
            let status = try KernelFile.text("/proc/\(pid)/status")
            #expect(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "\(status)")
            let powers = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
            #expect(powers?.contains("\t000000000000000") == true, "\(powers ?? "")")
            let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")) ?? []
            let links = open.compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\($0)")
            }
            #expect(links.contains { $0.hasPrefix("socket:") }, "it listens on its own socket: \(links)")
            for kind in ["tcp", "tcp6", "udp", "udp6", "raw", "netlink", "packet"] {
                let path = "/proc/\(pid)/net/\(kind)"
                // A kernel without IPv6 has no tables of it.
                let table = FileManager.default.fileExists(atPath: path) ? try KernelFile.text(path) : ""
                let words = Set(table.split(whereSeparator: \.isWhitespace))
                for link in links where link.hasPrefix("socket:[") {
                    #expect(!words.contains(link.dropFirst("socket:[".count).dropLast()), "\(kind) of \(pid)")
                }
            }
            #expect(!links.contains { $0.contains("/identity/") || $0.hasSuffix(".sqlite") }, "\(links)")
        }
    }

    /// An adapter that makes its engine crash: what served goes on, and so does the other slot.
    private func crash(_ site: Site, _ device: Site.Device) async throws {
        let before = DataFolder(path: device.data).engines()
        try await site.martlet(
            "publish", StoryTests.tiny("crash-lora.gguf"), "--as", "clinic/crash:1.0.0", "--adapter-of",
            "clinic/base:1.0.0")
        let load = try site.startLoad([device.gateway], slot: Self.slot, eval: StoryTests.seen)
        let rollout = try await site.martlet(
            "rollout", "start", "clinic/crash:1.0.0", "--selector", "site=berlin", "--slot", Self.slot, "--soak", "1s",
            "--on-failure", "rollbackAll", "--wait", expecting: 1)
        #expect((rollout.output + rollout.errors).contains("engineExited"), "\(rollout)")
        let figures = try await load.stopAfter(requests: 3)
        #expect(figures.failed == 0, "\(figures.failures)")
        for slot in [Self.slot, "other"] {
            #expect(try await Chat.ask(device.gateway, model: slot, "hello") == 200, "\(slot)")
        }
        let state = try #require(try await site.device("w1").slots[SlotName(Self.slot)])
        #expect(state.serving && state.current.map(\.reference) == ["clinic/base:1.0.0"])
        #expect(DataFolder(path: device.data).engines() == before, "the same engines, and no other")
    }

    private func rollOut(_ site: Site, _ release: String, slot: String) async throws {
        try await site.martlet(
            "rollout", "start", release, "--selector", "site=berlin", "--slot", slot, "--soak", "0s", "--wait")
        try await site.waitUntilServing("w1", slot, release)
    }
}
