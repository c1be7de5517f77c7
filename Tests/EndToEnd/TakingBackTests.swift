import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Floors, yanks and a restored registry, with the real programs and a device that serves all the while.
@Suite("Taking back", .serialized)
struct TakingBackTests {
    private static let slot = "base"

    /// A registry with three releases, and one device that runs the second of them after the first.
    private func site(_ name: String) async throws -> (Site, Site.Device) {
        let site = try Site(name)
        try await site.startRegistry()
        try await site.initializeTrust()
        let device = try await site.startDevice("ward-1")
        try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
        for (file, version) in [
            ("tiny-v1.Q4_0.gguf", "1.0.0"), ("tiny-v1.Q8_0.gguf", "1.1.0"), ("tiny-v1.Q4_0.gguf", "1.2.0"),
        ] {
            try await site.martlet("publish", StoryTests.tiny(file), "--as", "clinic/base:\(version)")
        }
        for version in ["1.0.0", "1.1.0"] { try await rollOut(version, site) }
        return (site, device)
    }

    private func rollOut(_ version: String, _ site: Site) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/base:\(version)", "--fleet", "wards", "--slot", Self.slot, "--soak", "0s",
            "--wait")
        try await site.waitUntilServing("ward-1", Self.slot, "clinic/base:\(version)")
    }

    private func serving(_ site: Site) async throws -> [String] {
        let slot = try #require(try await site.device("ward-1").slots[SlotName(Self.slot)])
        return slot.serving ? slot.current.map(\.reference) : []
    }

    @Test("Below a floor nothing is gone back to; what is blocked or yanked is named with the way off it")
    func takingBack() async throws {
        let (site, device) = try await site("take")
        let floor = try await site.martlet("floor", "clinic/base", "1.1.0", "--reason", "wrong doses before 1.1.0")
        #expect(floor.output.contains("1.1.0"))
        let refused = try await site.martlet(
            "rollback", "--device", "ward-1", "--slot", Self.slot, expecting: 65)
        #expect((refused.output + refused.errors).contains("below 1.1.0"), "\(refused.output) \(refused.errors)")
        let start = try await site.martlet(
            "rollout", "start", "clinic/base:1.0.0", "--fleet", "wards", "--slot", Self.slot, expecting: 65)
        #expect(start.errors.contains("below 1.1.0"))
        try await site.martlet("floor", "clinic/base", "1.0.0", expecting: 65)
        try await site.martlet("floor", "clinic/base", "1.0.0", "--lower", expecting: 64)
        #expect(try await serving(site) == ["clinic/base:1.1.0"])

        try await rollOut("1.2.0", site)
        try await site.martlet("releases", "block", "clinic/base:1.2.0", "--reason", "wrong answers")
        try await site.martlet("yank", "clinic/base:1.2.0")
        #expect(try await serving(site) == ["clinic/base:1.2.0"], "what serves goes on")
        let status = try await site.martlet("status")
        let told = status.output + status.errors
        #expect(told.contains("clinic/base:1.2.0 is yanked") && told.contains("1 in fleet wards"), "\(told)")
        let use = try #require(try await site.json(RegistryStatus.self, "status").takenBack.first)
        #expect(use.suggestion == "martlet rollback --release clinic/base:1.2.0 --to clinic/base:1.1.0")
        let shown = try await site.martlet("releases", "show", "clinic/base:1.2.0").output
        #expect(shown.contains("withdrawn by its publisher") && shown.contains("martlet rollback"), "\(shown)")
        try await site.martlet(
            "rollback", "--release", "clinic/base:1.2.0", "--to", "clinic/base:1.1.0", "--wait")
        try await site.waitUntilServing("ward-1", Self.slot, "clinic/base:1.1.0")
        #expect(try await site.json(RegistryStatus.self, "status").takenBack.isEmpty)
        #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200)
        #expect(try await device.process.stop() == 0)
        try await site.stopRegistry()
    }

    @Test("A registry that is restored from an old backup goes on with a device that has seen more")
    func restored() async throws {
        let (site, device) = try await site("back")
        let backup = site.folder.file("backup")
        let kept = try await run(
            Checkout.product("martlet-registry"), ["backup", "--data", site.registryData, backup])
        #expect(kept.status == 0, "\(kept.output) \(kept.errors)")
        // After the backup the device goes on.
        try await rollOut("1.2.0", site)
        let seen = try await site.device("ward-1").assignment
        try await site.stopRegistry()
        #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200)

        try FileManager.default.moveItem(atPath: site.registryData, toPath: site.folder.file("lost"))
        let restored = try await run(
            Checkout.product("martlet-registry"), ["restore", "--data", site.registryData, backup])
        #expect(restored.status == 0, "\(restored.output) \(restored.errors)")
        #expect(restored.output.contains("token admin: admin"), "\(restored.output)")
        try await site.startRegistry()
        // The former tokens are no more; the start made a new one.
        try await site.martlet("status", expecting: 77)
        try await site.martlet("login", site.operatorAddress, "--token-file", site.folder.file("admin.token"))
        // It tells the device what it knows, above all that the device has seen, and the device follows.
        try await site.waitUntilServing("ward-1", Self.slot, "clinic/base:1.1.0")
        #expect(try await site.device("ward-1").assignment > seen)
        try await rollOut("1.2.0", site)
        try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:1.3.0")
        try await rollOut("1.3.0", site)
        #expect(try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200)
        #expect(try await device.process.stop() == 0)
        try await site.stopRegistry()
    }
}
