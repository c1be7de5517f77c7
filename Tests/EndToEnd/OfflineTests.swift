import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Sites without a network: the real programs, and files that are carried between them.
@Suite("Offline bundles", .serialized)
struct OfflineTests {
    static let model = StoryTests.tiny("tiny-v1.Q4_0.gguf")

    @Test("a device without a network serves what a bundle brought, and refuses each bundle that is not for it")
    func device() async throws {
        let site = try Site("off")
        try await site.startRegistry()
        try await site.initializeTrust()
        try await site.publishLine()
        for name in ["ward-1", "ward-2"] {
            let device = try await site.startDevice(name, labels: ["ward=\(name)"])
            #expect(try await device.process.stop() == 0)
            // The agent is off: the rollout waits, and what is assigned is in the registry alone.
            try await site.martlet(
                "rollout", "start", "clinic/triage:1.0.0", "--selector", "ward=\(name)", "--slot", "triage", "--soak",
                "1s")
        }
        let bundle = site.folder.file("ward-1.tar")
        try await eventually(within: 60, "ward-1 has an assignment to be exported") {
            let made = try await site.export(["--device", "ward-1", "--valid", "2d", "--to", bundle])
            return made.status == 0
        }
        try await looksAsItShould(site, bundle)
        let plain = site.folder.file("plain.tar")
        try await site.martlet("export", "clinic/triage:1.0.0", "--to", plain)
        let other = site.folder.file("ward-2.tar.zst")
        try await site.martlet("export", "--device", "ward-2", "--valid", "2d", "--zstd", "--to", other)
        try await site.stopRegistry()

        let device = try await site.startAgent("ward-1")
        let hostile = HostileBundle(site, bundle)
        // What a device has verified before it takes from its own disk: these come first.
        for (file, code) in [
            (try await hostile.ended(), "bundleExpired"), (try await hostile.withMetadata(), "bundleRefused"),
        ] {
            let refused = try await site.install("ward-1", ["--from", file])
            #expect(refused.status != 0 && refused.errors.contains("[\(code)]"), "\(refused.errors)")
        }
        let installed = try await site.install("ward-1", ["--from", bundle, "--wait", "120"])
        #expect(installed.status == 0, "\(installed.output) \(installed.errors) \(device.process.output.suffix(3000))")
        #expect(try await Chat.ask(device.gateway, model: "triage", "hello") == 200)
        let again = try await site.install("ward-1", ["--from", bundle, "--output", "json"])
        #expect(
            again.output.contains(#""bytes" : 0"#), "the same again brings nothing: \(again.output) \(again.errors)")

        let cases: [(String, String, String)] = [
            (try await hostile.withBlob(), "digestMismatch", "a changed blob"),
            (try await hostile.withIndex(), "digestMismatch", "a changed index"),
            (try await hostile.cut(), "archiveFailed", "a bundle that is cut short"),
            (other, "bundleForOthers", "the bundle of another device"),
            (plain, "offlineInstallRefused", "a bundle without an assignment"),
            (Self.model, "archiveFailed", "a file that is no bundle"),
        ]
        for (file, code, what) in cases {
            // What it has it does not ask for: the blob must be wanted to be refused.
            if code == "digestMismatch" { try site.forgetWeights("ward-1") }
            let refused = try await site.install("ward-1", ["--from", file])
            #expect(refused.status != 0 && refused.errors.contains("[\(code)]"), "\(what): \(refused.errors)")
            #expect(try await Chat.ask(device.gateway, model: "triage", "hello") == 200, "serves after \(what)")
        }
        #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
    }

    /// The file is an OCI layout in a tar that skopeo reads, and nothing is left beside it.
    private func looksAsItShould(_ site: Site, _ bundle: String) async throws {
        let listed = try await run("/usr/bin/tar", ["-tf", bundle]).output
        for name in ["oci-layout", "index.json", "tuf/1.root.json", "tuf/timestamp.json", "assignments/ward-1.json"] {
            #expect(listed.contains(name + "\n"), "\(listed)")
        }
        #expect(!FileManager.default.fileExists(atPath: bundle + ".part"))
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/skopeo") else { return }
        let inspected = try await run(
            "/usr/bin/skopeo", ["inspect", "--raw", "oci-archive:\(bundle):clinic/triage:1.0.0"])
        #expect(inspected.status == 0, "\(inspected.errors)")
        let release = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/triage:1.0.0")
        #expect(Digest.of(Array(inspected.output.utf8)) == release.indexDigest)
    }

    @Test("a box that never had a network believes a root that was given to it by hand")
    func airGapped() async throws {
        let site = try Site("air")
        try await site.startRegistry()
        try await site.initializeTrust()
        try await site.publishLine()
        let bundle = site.folder.file("triage.tar")
        try await site.martlet("export", "clinic/triage:1.0.0", "--valid", "2d", "--to", bundle)
        let root = site.folder.file("root.json")
        _ = try await run("/usr/bin/curl", ["-s", "-o", root, site.operatorAddress + "/tuf/1.root.json"])
        try await site.stopRegistry()

        let configuration =
            #"{"policy": {"otherSlots": ["clinic/*"], "offlineInstall": "allowed"}, "engine": {"threads": 1}}"#
        try configuration.write(toFile: site.folder.file("kiosk.agent.json"), atomically: true, encoding: .utf8)
        let data = site.folder.file("devices/kiosk")
        let enrolled = try await run(
            Checkout.product("martlet-agent"),
            [
                "enrol", "--trust-root", root, "--name", "kiosk", "--data", data, "--config",
                site.folder.file("kiosk.agent.json"),
            ])
        #expect(enrolled.status == 0 && enrolled.output.contains("sha256:"), "\(enrolled)")
        let device = try await site.startAgent("kiosk")
        let unnamed = try await site.install("kiosk", ["--from", bundle])
        #expect(unnamed.errors.contains("--slot"), "\(unnamed.errors)")
        let installed = try await site.install("kiosk", ["--from", bundle, "--slot", "triage", "--wait", "120"])
        #expect(installed.status == 0, "\(installed.errors) \(device.process.output.suffix(3000))")
        #expect(try await Chat.ask(device.gateway, model: "triage", "hello") == 200)

        #expect(try await device.process.stop() == 0)
        let restarted = try await site.startAgent("kiosk")
        try await eventually(within: 60, "it serves again from its disk") {
            try await Chat.ask(restarted.gateway, model: "triage", "hello") == 200
        }
        let foreign = try Site("foreign")
        try await foreign.startRegistry()
        try await foreign.initializeTrust()
        try await foreign.publishLine()
        let stranger = foreign.folder.file("stranger.tar")
        try await foreign.martlet("export", "clinic/triage:1.0.0", "--valid", "2d", "--to", stranger)
        let refused = try await site.install("kiosk", ["--from", stranger, "--slot", "triage"])
        #expect(refused.status != 0 && refused.errors.contains("[bundleRefused]"), "\(refused.errors)")
        try await foreign.stopRegistry()
        #expect(try await restarted.process.stop() == 0, "\(restarted.process.output.suffix(3000))")
    }

    @Test("a bundle fills a second, empty registry of the same owner, from which a device installs")
    func standby() async throws {
        let site = try Site("dup")
        try await site.startRegistry()
        try await site.initializeTrust()
        try await site.publishLine()
        let (bundle, plain) = (site.folder.file("line.tar.zst"), site.folder.file("line.tar"))
        try await site.martlet("export", "clinic/triage:1.0.0", "--valid", "2d", "--zstd", "--to", bundle)
        try await site.martlet("export", "clinic/triage:1.0.0", "--valid", "2d", "--to", plain)
        let before = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/triage:1.0.0")
        try await site.replaceRegistry()

        let hostile = HostileBundle(site, plain)
        for file in [try await hostile.withBlob(), try await hostile.withMetadata()] {
            let refused = try await site.importBundle(file)
            #expect(refused.status != 0, "\(refused.output)")
            #expect(try await site.json([ReleaseInfo].self, "releases", "list").isEmpty, "\(refused.errors)")
        }
        let imported = try await site.martlet("import", bundle)
        #expect(imported.output.contains("Published"), "\(imported.output)")
        let again = try await site.martlet("import", bundle)
        #expect(again.output.contains("Unchanged") && again.output.contains("0 B sent"), "\(again.output)")
        let after = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/triage:1.0.0")
        #expect(after.indexDigest == before.indexDigest && after.state == .published)

        let device = try await site.startDevice("ward-9")
        try await site.martlet(
            "rollout", "start", "clinic/triage:1.0.0", "--selector", "site=berlin", "--slot", "triage", "--soak", "1s",
            "--wait")
        #expect(try await Chat.ask(device.gateway, model: "triage", "hello") == 200)

        #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
        try await site.stopRegistry()
    }
}
