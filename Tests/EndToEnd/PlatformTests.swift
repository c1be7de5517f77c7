import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Engines and agents over the air, through the same rollouts as models, with the real programs.
@Suite("Engines and agents over the air", .serialized)
struct PlatformTests {
    private static let policy = #", "engineNamespace": "platform", "agentNamespace": "platform""#
    private static let model = StoryTests.tiny("tiny-v1.Q4_0.gguf")

    /// A site whose owner delegated `platform` too, and a device that takes engines and agents from it.
    private func site(_ name: String, _ body: (Site) async throws -> Void) async throws {
        try await Site.ready(name) { site in
            try await site.martlet(
                "trust", "delegate", "platform", "--keys", site.folder.file("operator/keys"), "--no-passphrase")
            try await body(site)
        }
    }

    private func rollOut(
        _ site: Site, _ release: String, slot: String, expecting status: Int32 = 0
    ) async throws -> Finished {
        try await site.martlet(
            ["rollout", "start", release, "--selector", "", "--slot", slot, "--soak", "1s", "--wait"],
            expecting: status)
    }

    private func running(_ site: Site, _ slot: String) async throws -> [String] {
        try await site.device("box").slots[try SlotName(slot)]?.current.map(\.reference) ?? []
    }

    /// The folder of the engine that this machine has, as a build to be published: `bin/llama-server` with what it
    /// needs.
    private func build(_ site: Site, _ name: String, note: String) throws -> String {
        let server = try #require(Checkout.llamaServer, "llama-server is missing: `make test` obtains it")
        let files = FileManager.default
        let folder = site.folder.file(name)
        let installed = URL(fileURLWithPath: server).resolvingSymlinksInPath().deletingLastPathComponent()
        let tree = installed.deletingLastPathComponent()
        if files.fileExists(atPath: tree.appendingPathComponent("root").path) {
            // Debian's build, unpacked with its libraries; only what runs is taken along.
            try files.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
            try files.createDirectory(atPath: folder + "/root/usr/bin", withIntermediateDirectories: true)
            try files.copyItem(atPath: server, toPath: folder + "/bin/llama-server")
            try files.copyItem(
                atPath: tree.path + "/root/usr/bin/llama-server", toPath: folder + "/root/usr/bin/llama-server")
            try files.copyItem(atPath: tree.path + "/root/usr/lib", toPath: folder + "/root/usr/lib")
        } else {
            try files.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
            try files.copyItem(atPath: server, toPath: folder + "/bin/llama-server")
        }
        try note.write(toFile: folder + "/NOTE", atomically: true, encoding: .utf8)
        return folder
    }

    /// The programs of the engines that run for a device, by their command lines.
    private func engineCommands(of device: Site.Device) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
            guard Int(name) != nil,
                let bytes = FileManager.default.contents(atPath: "/proc/\(name)/cmdline")
            else { return nil }
            let line = String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: "\0", with: " ")
            return line.contains(device.data + "/run/engines/") && line.contains("--model") ? line : nil
        }
    }

    /// The folder of the unpacked engine that runs for a device, once it is the only one: an engine that was left may
    /// still end.
    private func servingBuild(of device: Site.Device) async throws -> String {
        let folder = device.data + "/engines/"
        @Sendable func builds() throws -> [String] {
            try engineCommands(of: device).map { command in
                guard let place = command.range(of: folder) else { return "not unpacked: \(command)" }
                return String(command[place.upperBound...].prefix { $0 != "/" })
            }
        }
        try await eventually(within: 120, "one engine runs") { try builds().count == 1 }
        let build = try #require(try builds().first)
        #expect(!build.hasPrefix("not unpacked"), "\(build)")
        return build
    }

    @Test("an engine moves a slot's models under load, is a part of the generation, and goes back with it")
    func engine() async throws {
        try await site("engine") { site in
            let device = try await site.startDevice("box", policy: Self.policy)
            try await site.martlet("publish", Self.model, "--as", "clinic/base:1.0.0")
            if Installed.everything { try #require(Checkout.otherLlama != nil, "scripts/bootstrap.sh full makes it") }
            // Without another build the same is published twice, with a note that makes it another archive.
            for (version, given) in [("0.7.1", nil), ("0.7.2", Checkout.otherLlama)] {
                let folder = try given ?? build(site, "build-\(version)", note: version)
                try await site.martlet("publish", "--kind", "engine", folder, "--as", "platform/llama.cpp:\(version)")
            }
            // There is nothing yet that it could run.
            _ = try await rollOut(site, "platform/llama.cpp:0.7.1", slot: "triage", expecting: 1)
            _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
            try await site.waitUntilServing("box", "triage", "clinic/base:1.0.0")

            let load = try site.startLoad([device.gateway], slot: "triage", eval: StoryTests.seen)
            _ = try await rollOut(site, "platform/llama.cpp:0.7.1", slot: "triage")
            #expect(try await running(site, "triage") == ["clinic/base:1.0.0", "platform/llama.cpp:0.7.1"])
            let older = try await servingBuild(of: device)
            _ = try await rollOut(site, "platform/llama.cpp:0.7.2", slot: "triage")
            #expect(try await running(site, "triage") == ["clinic/base:1.0.0", "platform/llama.cpp:0.7.2"])
            let newer = try await servingBuild(of: device)
            #expect(newer != older)
            // Going back from a step that changed the engine alone changes the engine alone, while requests run.
            try await site.martlet("rollback", "--device", "box", "--slot", "triage")
            try await eventually(within: 120, "the engine before serves") {
                try await running(site, "triage") == ["clinic/base:1.0.0", "platform/llama.cpp:0.7.1"]
            }
            #expect(try await servingBuild(of: device) == older)
            _ = try await rollOut(site, "platform/llama.cpp:0.7.2", slot: "triage")
            #expect(try await servingBuild(of: device) == newer)
            // A model that follows keeps the engine, and may demand it.
            try await site.martlet(
                "publish", StoryTests.tiny("tiny-v2.Q4_0.gguf"), "--as", "clinic/base:2.0.0", "--needs",
                "engine=0.7.2")
            _ = try await rollOut(site, "clinic/base:2.0.0", slot: "triage")
            #expect(try await running(site, "triage") == ["clinic/base:2.0.0", "platform/llama.cpp:0.7.2"])
            // Both engines and the step before are on disk; going back brings model and engine of before.
            try await site.martlet("rollback", "--device", "box", "--slot", "triage")
            try await eventually(within: 120, "the step before serves") {
                try await running(site, "triage") == ["clinic/base:1.0.0", "platform/llama.cpp:0.7.2"]
            }
            let figures = try await load.stopAfter(requests: 5)
            #expect(figures.failed == 0, "\(figures.failures)")
            #expect(try await device.process.stop() == 0)
            // What is on disk serves without a registry, by the unpacked engine.
            let again = try await site.startAgent("box")
            try await eventually(within: 60, "the slot serves again") {
                try await Chat.ask(again.gateway, model: "triage", "Hello") == 200
            }
            let commands = try engineCommands(of: again)
            #expect(commands.contains { $0.contains(device.data + "/engines/") }, "\(commands)")
            #expect(try await again.process.stop() == 0)
        }
    }

    @Test("an engine that does not run, or comes from a namespace that the owner did not name, leaves what serves")
    func badEngine() async throws {
        try await site("badeng") { site in
            let device = try await site.startDevice("box", policy: #", "engineNamespace": "platform""#)
            try await site.martlet("publish", Self.model, "--as", "clinic/base:1.0.0")
            _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
            // The loader of a program is missing in it: it cannot start.
            let folder = try build(site, "broken", note: "broken")
            try "#!/nonexistent\n".write(toFile: folder + "/bin/llama-server", atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o755], ofItemAtPath: folder + "/bin/llama-server")
            let elf = try #require(FileManager.default.contents(atPath: "/bin/true"))
            #expect(FileManager.default.createFile(atPath: folder + "/true", contents: elf))
            try await site.martlet("publish", "--kind", "engine", folder, "--as", "platform/llama.cpp:0.8.0")
            _ = try await rollOut(site, "platform/llama.cpp:0.8.0", slot: "triage", expecting: 75)
            try await site.martlet("publish", "--kind", "engine", folder, "--as", "clinic/llama.cpp:0.8.0")
            let stranger = try await rollOut(site, "clinic/llama.cpp:0.8.0", slot: "triage", expecting: 1)
            #expect(
                (stranger.output + stranger.errors).contains("engine releases are taken from the namespace platform"))
            try await eventually(within: 60, "what served serves") {
                try await running(site, "triage") == ["clinic/base:1.0.0"]
            }
            #expect(try await Chat.ask(device.gateway, model: "triage", "Hello") == 200)
            #expect(try await device.process.stop() == 0)
        }
    }
}
