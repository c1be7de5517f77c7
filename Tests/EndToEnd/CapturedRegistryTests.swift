import Foundation
import MartletAPI
import MartletTypes
import TUF
import TestSupport
import Testing
import Trust

/// The registry's machine with all its online keys is in an attacker's hands, and a real agent with a real engine meets
/// it: docs/security.md, the row "captured registry".
@Suite("A captured registry", .serialized)
struct CapturedRegistryTests {
    /// One thing that such an attacker tries.
    struct Attack: Sendable {
        /// What it is called in the literature.
        let name: String
        /// The code by which the device reports it.
        let code: String
        /// What the report's sentence says.
        var says = ""
        let begin: @Sendable (CapturedScene) async throws -> Void
    }

    @Test("changes nothing of what a device serves, and each attack is reported by its cause")
    func attacks() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let scene = try await CapturedScene.start()
        for attack in try Self.withContent() + Self.withMetadata + Self.withAssignments {
            let before = scene.registry.reportCount
            try await attack.begin(scene)
            do {
                try await eventually(within: 60, "\(attack.name) is reported as \(attack.code)") {
                    scene.registry.reports(since: before).contains {
                        $0.code == attack.code
                            && (attack.says.isEmpty || ($0.message ?? "").contains(attack.says))
                    }
                }
            } catch {
                let reports = scene.registry.reports(since: before).map { "\($0.code ?? "-"): \($0.message ?? "")" }
                Issue.record("\(error); reported was \(reports)\n\(scene.device.process.output.suffix(2000))")
            }
            try await scene.expectServing(attack.name)
            try await scene.endAttack()
        }
        let served = scene.registry.reports(since: 0).filter { report in
            [.switching, .soaking, .succeeded].contains(report.state)
                && report.releases.contains { $0.reference != CapturedScene.serving }
        }
        #expect(served.isEmpty, "no other release was ever served: \(served)")
        try await recovery(scene)
        #expect(try await scene.device.process.stop() == 0)
        try await scene.site.stopRegistry()
    }

    /// Numbers and versions that were used up keep devices from following the real registry, until the owner names
    /// other online keys: then they go on by themselves.
    private func recovery(_ scene: CapturedScene) async throws {
        let (site, far) = (scene.site, Int64(1) << 50)
        try await scene.registry.resign(versions: (1 << 50, 1 << 50))
        try await scene.assign([try scene.assigned("1.0.0")], number: far)
        try await eventually(within: 60, "the device follows a fast-forward") {
            try await scene.agent().agent.assignment == far
        }
        try await scene.listener.stop()
        try await site.stopRegistry()
        try await site.startRegistry(["--device-address", scene.address])
        let keys = site.folder.file("operator/keys")
        for name in ["snapshot", "timestamp"] {
            try await site.martlet("trust", "rotate", name, "--keys", keys, "--no-passphrase")
        }
        try await site.martlet("trust", "rotate", "director", "--finish", "--keys", keys, "--no-passphrase")
        try await scene.expectServing("a fast-forward")
        try await site.martlet(
            "rollout", "start", "clinic/triage:2.0.0", "--fleet", "wards", "--slot", CapturedScene.slotName, "--soak",
            "1s")
        // Its parked poll ends within a minute; then the new root is read and assignments are counted anew.
        try await eventually(within: 180, "the device follows the new director") {
            scene.device.process.output.contains("assignments are counted anew")
        }
        try await site.waitUntilServing("w1", CapturedScene.slotName, "clinic/triage:2.0.0")
        #expect(try await Chat.ask(scene.device.gateway, model: CapturedScene.slotName, "hello") == 200)
    }

    /// Attacks with what is installed.
    private static func withContent() throws -> [Attack] {
        [
            Attack(name: "an arbitrary package", code: "notPublished", says: "6.6.6") { scene in
                let index = Array("an index of the attacker's".utf8)
                scene.registry.forge(Digest.of(index), .bytes(index))
                try await scene.assign([
                    AssignedRelease(
                        path: try ReleasePath("clinic/triage/6.6.6"), indexDigest: Digest.of(index),
                        length: Int64(index.count))
                ])
            },
            Attack(name: "a swapped index", code: "targetMismatch", says: "2.0.0") { scene in
                let index = Array("an index of the attacker's".utf8)
                scene.registry.forge(Digest.of(index), .bytes(index))
                try await scene.assign([try scene.assigned("2.0.0", index: Digest.of(index))])
            },
            Attack(name: "a swapped index on the wire", code: "digestMismatch") { scene in
                let release = try scene.assigned("2.0.0")
                scene.registry.forge(
                    release.indexDigest, .bytes([UInt8](repeating: UInt8(ascii: "x"), count: Int(release.length))))
                try await scene.assign([release])
            },
            Attack(name: "a swapped blob", code: "digestMismatch", says: try weights("tiny-v2.Q4_0.gguf").hex) {
                scene in
                var bytes = try file("tiny-v2.Q4_0.gguf")
                bytes[bytes.count / 2] ^= 1
                scene.registry.forge(try weights("tiny-v2.Q4_0.gguf"), .bytes(bytes))
                try await scene.assign([try scene.assigned("2.0.0")])
            },
            Attack(name: "an endless blob", code: "tooLarge") { scene in
                let bytes = try file("tiny-v2.Q4_0.gguf")
                scene.registry.forge(try weights("tiny-v2.Q4_0.gguf"), .endless(bytes))
                try await scene.assign([try scene.assigned("2.0.0")])
            },
            Attack(name: "a yanked release", code: "notPublished", says: "3.0.0") { scene in
                try await scene.assign([try scene.assigned("3.0.0")])
            },
            Attack(name: "a release below its floor", code: "belowFloor", says: "clinic/notes") { scene in
                try await scene.assign([try scene.assigned("notes")])
            },
            Attack(name: "an unsigned namespace", code: "notPublished", says: "lab/triage:1.0.0") { scene in
                let release = try scene.assigned("2.0.0")
                try await scene.assign([
                    AssignedRelease(
                        path: try ReleasePath("lab/triage/1.0.0"), indexDigest: release.indexDigest,
                        length: release.length)
                ])
            },
            Attack(name: "a namespace outside the device's policy", code: "policyRefused", says: "factory/triage") {
                scene in
                let release = try scene.assigned("2.0.0")
                try await scene.assign([
                    AssignedRelease(
                        path: try ReleasePath("factory/triage/1.0.0"), indexDigest: release.indexDigest,
                        length: release.length)
                ])
            },
        ]
    }

    /// Attacks with the metadata that says what is published. All of it but the forgery is signed by captured keys.
    private static let withMetadata: [Attack] = [
        Attack(name: "a forged publisher's role", code: "badSignature") { scene in
            let path = try ReleasePath("clinic/triage/6.6.6")
            let bin = try NamespaceLayout("clinic").bin(for: path.text)
            let index = Digest.of(Array("an index of the attacker's".utf8))
            let role = try await scene.registry.realRole(bin)
            let forged = role.adding(path.text, TargetFile(length: 26, digest: index))
            let keys = scene.registry.keys
            try await scene.registry.publish(
                try SignedEnvelope.sign(forged.json, by: [keys.timestamp, keys.snapshot, keys.director]), as: bin,
                version: role.version)
            try await scene.assign([AssignedRelease(path: path, indexDigest: index, length: 26)])
        },
        Attack(name: "a release below its threshold of signatures", code: "thresholdNotMet") { scene in
            let path = try ReleasePath("ward/triage/1.0.0")
            let bin = try NamespaceLayout("ward").bin(for: path.text)
            let role = try await scene.registry.realRole(bin)
            let release = try scene.assigned("2.0.0")
            let forged = role.adding(path.text, TargetFile(length: release.length, digest: release.indexDigest))
            try await scene.registry.publish(
                try SignedEnvelope.sign(forged.json, by: [scene.ann]), as: bin, version: role.version)
            try await scene.assign([
                AssignedRelease(path: path, indexDigest: release.indexDigest, length: release.length)
            ])
        },
        Attack(name: "a forged root", code: "badSignature", says: "") { scene in
            let root = try RootMetadata(
                json: SignedEnvelope(
                    parsing: await scene.registry.realFile("1.root.json"), limit: Limits.tufRootBytes
                ).signed)
            let key = scene.registry.keys.timestamp
            let forged = try root.next(
                expires: .now + .seconds(86_400),
                replacing: [
                    .root: ([key.publicKey], 1), .targets: ([key.publicKey], 1), .snapshot: ([key.publicKey], 1),
                    .timestamp: ([key.publicKey], 1),
                ])
            scene.registry.forge(
                "2.root.json", .bytes(try SignedEnvelope.sign(forged.json, by: [key]).encoded()))
            try await scene.assign([try scene.assigned("2.0.0")])
        },
        Attack(name: "a rollback of a publisher's role", code: "rollback") { scene in
            let bin = try scene.bin("3.0.0")
            let former = try await scene.registry.realRole(bin).version - 1
            let bytes = try await scene.registry.realFile(MetadataPath.file(bin, version: former))
            try await scene.registry.resign { $0[bin] = MetadataFileInfo(version: former, of: bytes) }
            try await scene.assign([try scene.assigned("3.0.0")])
        },
        Attack(name: "mix and match", code: "versionMismatch") { scene in
            // Of a bin that the device has not met, so that it asks.
            let release = scene.frozen.release
            let bin = try NamespaceLayout("clinic").bin(for: release.path.text)
            let version = try await scene.registry.realRole(bin).version
            let former = try await scene.registry.realFile(MetadataPath.file(bin, version: version - 1))
            scene.registry.forge(MetadataPath.file(bin, version: version), .bytes(former))
            try await scene.assign([release])
        },
        Attack(name: "endless data", code: "tooLarge", says: "timestamp.json") { scene in
            scene.registry.forge("timestamp.json", .endless(Array("{".utf8)))
            try await scene.assign([try scene.assigned("2.0.0")])
        },
        Attack(name: "a timestamp for ten years", code: "expiresTooFar", says: "timestamp") { scene in
            try await scene.registry.resign(life: (nil, .seconds(3650 * 86_400)))
            try await scene.assign([try scene.assigned("2.0.0")])
        },
        Attack(name: "a snapshot for ten years", code: "expiresTooFar", says: "snapshot") { scene in
            try await scene.registry.resign(life: (.seconds(3650 * 86_400), nil))
            try await scene.assign([try scene.assigned("2.0.0")])
        },
        Attack(name: "a freeze", code: "expired") { scene in
            try await eventually(within: 60, "the publisher's role ends") { Timestamp.now > scene.frozen.ends }
            try await scene.assign([scene.frozen.release])
        },
    ]

    /// Attacks with the director's own statements.
    private static let withAssignments: [Attack] = [
        Attack(name: "a replayed assignment", code: "assignmentOutdated") { scene in
            try await scene.assign([try scene.assigned("2.0.0")], number: 1, isForced: true)
        },
        Attack(name: "the assignment of another device", code: "assignmentForeign", says: "w2") { scene in
            try await scene.assign([try scene.assigned("2.0.0")], to: "w2", isForced: true)
        },
    ]

    private static func file(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: StoryTests.tiny(name))))
    }

    private static func weights(_ name: String) throws -> Digest { Digest.of(try file(name)) }
}
