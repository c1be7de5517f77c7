import Foundation
import MartletAPI
import MartletTypes
import TUF
import TestSupport
import Testing
import Trust

/// docs/security.md, the rows of those who hold true keys, tokens or addresses, and want more than these give.
@Suite("Those who want more than their keys give", .serialized)
struct OverreachTests {
    private static let model = StoryTests.tiny("tiny-v1.Q4_0.gguf")

    /// A key of a publisher's in a file.
    private func key(_ site: Site, _ name: String) throws -> (file: String, id: String) {
        let pair = try KeyPair.generate(.ed25519)
        let file = site.folder.file("operator/keys/\(name).pem")
        try Data(try pair.pem()).write(to: URL(fileURLWithPath: file))
        return (file, pair.publicKey.keyID)
    }

    @Test("all publishers of a namespace reach no other and nothing outside a device's policy, until the owner ends it")
    func publishers() async throws {
        try await Site.ready("over") { site in
            let keys = site.folder.file("operator/keys")
            let (clinic, owner) = (keys + "/clinic.pem", ["--keys", keys, "--no-passphrase"])
            let ann = try key(site, "ann")
            try await site.martlet(["trust", "delegate", "ward", "--publisher", ann.file] + owner, expecting: 0)
            try await site.martlet("publish", Self.model, "--as", "ward/base:1.0.0", "--key", ann.file)
            try await site.martlet("publish", Self.model, "--as", "clinic/base:1.0.0", "--key", clinic)
            for arguments in [
                ["publish", Self.model, "--as", "ward/evil:1.0.0"], ["yank", "ward/base:1.0.0"],
                ["floor", "ward/base", "9.0.0"],
            ] {
                let done = try await run(
                    Checkout.product("martlet"), arguments + ["--key", clinic, "--output", "json"],
                    environment: site.operatorEnvironment)
                #expect((65...78).contains(done.status) && !done.errors.contains("usage"), "\(arguments): \(done)")
            }
            let releases = try await site.json([ReleaseInfo].self, "releases", "list")
            #expect(Set(releases.map(\.path.text)) == ["ward/base/1.0.0", "clinic/base/1.0.0"])
            #expect(releases.allSatisfy { $0.state == .published })

            let device = try await site.startDevice("w1", allowed: ["ward/*"])
            try await site.martlet(
                "rollout", "start", "clinic/base:1.0.0", "--selector", "site=berlin", "--slot", "triage", "--soak",
                "0s")
            try await eventually(within: 60, "the device refuses by its policy\n\(device.process.output)") {
                try await site.json([DeviceReport].self, "devices", "reports", "w1")
                    .contains { $0.code == "policyRefused" }
            }
            #expect(DataFolder(path: device.data).engines().isEmpty)
            #expect(try await device.process.stop() == 0)

            let id = try KeyPair(pem: Array(try Data(contentsOf: URL(fileURLWithPath: clinic)))).publicKey.keyID
            try await site.martlet(
                ["trust", "revoke", "clinic", String(id.prefix(8)), "--add-key", ann.file, "--suspend"] + owner,
                expecting: 0)
            let late = try await run(
                Checkout.product("martlet"),
                ["publish", Self.model, "--as", "clinic/late:1.0.0", "--key", clinic],
                environment: site.operatorEnvironment)
            #expect((65...78).contains(late.status), "\(late)")
        }
    }

    @Test("a registry has nothing signed of another digest than the publisher gives, and bundles hold 90 days at most")
    func registries() async throws {
        try await Site.ready("claims") { site in
            let keys = site.folder.file("operator/keys")
            let (ann, bob) = (try key(site, "ann"), try key(site, "bob"))
            try await site.martlet(
                "trust", "delegate", "ward", "--threshold", "2", "--publisher", ann.file, "--publisher", bob.file,
                "--keys", keys, "--no-passphrase")
            _ = try await run(
                Checkout.product("martlet"), ["publish", Self.model, "--as", "ward/base:1.0.0", "--key", ann.file],
                environment: site.operatorEnvironment)
            func published() async throws -> [String] {
                try await site.json([ReleaseInfo].self, "releases", "list").filter { $0.state == .published }
                    .map(\.path.text)
            }
            let other = Digest.of([7]).text
            let refused = try await site.martlet(
                ["sign", "ward/base:1.0.0", "--index", other, "--key", bob.file, "--output", "json"], expecting: 76)
            #expect(refused.errors.contains("indexMismatch"), "\(refused)")
            #expect(try await published().isEmpty)
            try await site.martlet("sign", "ward/base:1.0.0", "--key", bob.file)
            #expect(try await published() == ["ward/base/1.0.0"])

            let file = site.folder.file("long.tar")
            let long = try await site.export(["ward/base:1.0.0", "--valid", "200d", "--to", file])
            #expect(long.status != 0 && !FileManager.default.fileExists(atPath: file), "\(long)")
            #expect(try await site.export(["ward/base:1.0.0", "--valid", "2d", "--to", file]).status == 0)
            let rows = try await site.json([AuditRow].self, "audit", "list")
            #expect(rows.count { $0.action == "offline.sign" } == 1, "\(rows.map(\.action))")
        }
    }

    @Test("who chooses a webhook's address has nothing sent to the registry's own machine or to a metadata service")
    func webhooks() async throws {
        try await Site.ready("hooks") { site in
            let receiver = try WebhookReceiver()
            for address in [
                receiver.url, receiver.url.replacing("127.0.0.1", with: "localhost"),
                receiver.url.replacing("127.0.0.1", with: "2130706433"), "http://169.254.169.254/latest/meta-data",
                "http://[::ffff:169.254.169.254]/", "http://100.100.100.200/", "file:///etc/passwd",
            ] {
                let done = try await run(
                    Checkout.product("martlet"), ["webhooks", "add", address], environment: site.operatorEnvironment)
                #expect((65...78).contains(done.status), "\(address): \(done)")
            }
            try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
            #expect(try await site.json([WebhookInfo].self, "webhooks", "list").isEmpty)
            #expect(receiver.requests.isEmpty)
        }
    }
}
