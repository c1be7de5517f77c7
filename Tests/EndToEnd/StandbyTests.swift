import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// A second registry of the same owner, elsewhere, that takes over when the first one is gone. All of them the real
/// programs.
@Suite("A standby registry", .serialized)
struct StandbyTests {
    @Test("a device goes over to a restored standby by the addresses that the owner signed, and goes on there")
    func restored() async throws {
        let scene = try await StandbyScene.start("st")
        let backup = scene.first.folder.file("backup")
        for (program, arguments) in [
            ("martlet-registry", ["backup", "--data", scene.first.registryData, backup]),
            ("martlet-registry", ["restore", "--data", scene.second.registryData, backup]),
        ] {
            let done = try await run(Checkout.product(program), arguments)
            #expect(done.status == 0, "\(done.output) \(done.errors)")
        }
        try await scene.openStandby()
        // After the backup: the device follows 2.0.0, and 3.0.0 is published.
        try await scene.publish("2.0.0")
        try await scene.rollOut("2.0.0", at: scene.first)
        try await scene.publish("3.0.0")
        try await scene.carryOver(["2.0.0", "3.0.0"])
        try await scene.loseFirst()
        // The standby knows the device from the backup.
        try await scene.rollOut("3.0.0", at: scene.second)
        try await scene.end()
    }

    @Test("a standby that was filled by import alone goes on above what a device has seen, with its model signatures")
    func imported() async throws {
        let scene = try await StandbyScene.start("si")
        let files = FileManager.default
        try files.createDirectory(atPath: scene.second.registryData, withIntermediateDirectories: true)
        try files.copyItem(
            atPath: scene.first.registryData + "/keys", toPath: scene.second.registryData + "/keys")
        try await scene.openStandby()
        try await scene.publish("2.0.0")
        try await scene.rollOut("2.0.0", at: scene.first)
        try await scene.carryOver(["1.0.0", "2.0.0"])
        let bills = try await scene.second.referrers(of: "2.0.0", in: "clinic/base")
        #expect(bills == ["application/vnd.cyclonedx+json"])
        let again = try await scene.second.martlet("import", scene.bundle)
        #expect(again.output.contains("0 B sent"), "\(again.output)")
        try await scene.loseFirst()
        // It is another registry, which has never heard of the box; its metadata is the same owner's.
        try await scene.enrolAnew()
        try await scene.rollOut("1.0.0", at: scene.second)
        try await scene.rollOut("2.0.0", at: scene.second)
        try await scene.end()
    }
}

/// A device that demands model signatures, its registry, and one that shall take over.
private final class StandbyScene {
    let first: Site
    let second: Site
    private var device: Site.Device
    private let modelKey: String

    var bundle: String { first.folder.file("line.tar") }

    private init(_ first: Site, _ second: Site, _ device: Site.Device, _ modelKey: String) {
        (self.first, self.second, self.device, self.modelKey) = (first, second, device, modelKey)
    }

    /// The device serves 1.0.0.
    static func start(_ name: String) async throws -> StandbyScene {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let (first, second) = (try Site(name + "a"), try Site(name + "b"))
        try await first.startRegistry()
        try await first.initializeTrust()
        let (secret, open) = (first.folder.file("model.pem"), first.folder.file("model.pub.pem"))
        for arguments in [
            ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", secret],
            ["pkey", "-in", secret, "-pubout", "-out", open],
        ] {
            let made = try await run("/usr/bin/openssl", arguments)
            #expect(made.status == 0, "\(made.errors)")
        }
        let base64 = try String(contentsOfFile: open, encoding: .utf8)
            .split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
        let device = try await first.startDevice(
            "w1", policy: #", "requireModelSignature": {"clinic/*": ["\#(base64)"]}"#)
        try await first.martlet("fleets", "set", "wards", "--selector", "site=berlin")
        let scene = StandbyScene(first, second, device, secret)
        try await scene.publish("1.0.0")
        try await scene.rollOut("1.0.0", at: first)
        return scene
    }

    /// Starts the standby, and lets the owner name it to devices beside the first registry.
    func openStandby() async throws {
        try await second.startRegistry()
        try await second.martlet("login", second.operatorAddress, "--token-file", second.folder.file("admin.token"))
        let root = try await run("/usr/bin/curl", ["-s", first.operatorAddress + "/tuf/1.root.json"]).output
        try await second.martlet("trust", "pin", Digest.of(Array(root.utf8)).text)
        try await first.martlet(
            "trust", "addresses", "https://" + first.deviceAddress, "https://" + second.deviceAddress, "--keys",
            first.folder.file("operator/keys"))
    }

    func publish(_ version: String) async throws {
        let file = version == "2.0.0" ? "tiny-v2.Q4_0.gguf" : "tiny-v1.Q4_0.gguf"
        try await first.martlet(
            "publish", StoryTests.tiny(file), "--as", "clinic/base:\(version)", "--model-signature-key", modelKey,
            "--bom")
    }

    func rollOut(_ version: String, at site: Site) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/base:\(version)", "--selector", "site=berlin", "--slot", "s", "--soak", "1s")
        do {
            try await site.waitUntilServing("w1", "s", "clinic/base:\(version)")
        } catch {
            Issue.record("\(error) \(device.process.output.suffix(4000))\n\(site.registryLog.suffix(2000))")
            throw error
        }
        #expect(try await Chat.ask(device.gateway, model: "s", "hello") == 200)
    }

    /// Brings releases to the standby as a person would, on a stick.
    func carryOver(_ versions: [String]) async throws {
        try await first.martlet(
            ["export"] + versions.map { "clinic/base:" + $0 } + ["--valid", "2d", "--to", bundle], expecting: 0)
        let imported = try await second.martlet("import", bundle)
        #expect(imported.output.contains("Published"), "\(imported.output)")
    }

    /// The first registry is gone for good; the device finds the standby by itself.
    func loseFirst() async throws {
        try await first.stopRegistry()
        let file = device.data + "/identity/device.json"
        let address = "https://" + second.deviceAddress
        try await eventually(within: 180, "the device turns to the standby\n\(device.process.output.suffix(2000))") {
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
            return try JSONText.decode(RotationFleet.Identity.self, from: bytes).registry == address
        }
        #expect(try await Chat.ask(device.gateway, model: "s", "hello") == 200, "it serves all the while")
    }

    /// A join token of the standby makes the box known there; what it has it keeps.
    func enrolAnew() async throws {
        #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
        let token = try await second.martlet("token", "join", "--uses", "1", "--valid", "1h").output
        let file = second.folder.file("w1.join")
        try token.write(toFile: file, atomically: true, encoding: .utf8)
        let enrolled = try await run(
            Checkout.product("martlet-agent"),
            [
                "enrol", "--force", "--join-file", file, "--name", "w1", "--data", device.data, "--label",
                "site=berlin",
            ])
        #expect(enrolled.status == 0, "\(enrolled.output) \(enrolled.errors)")
        device = try await first.startAgent("w1")
    }

    /// Nothing was ever taken for a rollback.
    func end() async throws {
        let history = try await second.martlet("devices", "history", "w1").output
        #expect(!history.contains("rollback") && !device.process.output.contains("older than"), "\(history)")
        #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
        try await second.stopRegistry()
    }
}

extension Site {
    /// The types of what a registry keeps beside a release's index.
    func referrers(of version: String, in repository: String) async throws -> [String] {
        let info = try await json(ReleaseInfo.self, "releases", "show", "\(repository):\(version)")
        let text = try await run("/usr/bin/curl", curl("/v2/\(repository)/referrers/\(info.indexDigest)")).output
        let listed = try JSONValue(parsing: Array(text.utf8))["manifests"]?.array ?? []
        return listed.compactMap { $0["artifactType"]?.string }
    }
}
