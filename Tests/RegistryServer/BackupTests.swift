import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import RegistryServer
import TestSupport
import Testing
import Trust

@Suite("Backup and restore of a registry")
struct BackupTests {
    private let slot: SlotName

    init() throws { slot = try SlotName("triage") }

    /// A registry on what a backup was restored into, with the offline keys of the former one.
    private func started(
        _ copy: TemporaryFolder, after registry: RegistryFixture, data: String? = nil
    ) async throws -> RegistryFixture {
        for name in ["admin.token", "root.pem", "targets.pem", "clinic.pem"] {
            try FileManager.default.copyItem(atPath: registry.folder.file(name), toPath: copy.file(name))
        }
        return try await RegistryFixture.start(on: copy, dataFolder: data)
    }

    private func start(_ path: ReleasePath, at registry: RegistryFixture) async throws -> RolloutInfo {
        try await registry.admin.startRollout(
            RolloutRequest(selector: try LabelSelector(""), slot: slot, releases: [path]))
    }

    @Test("A backup taken while it runs is a registry of its own, and goes on above what devices saw since")
    func goesOn() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let newer = try await registry.publish("clinic/triage/2.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        _ = try await start(release.path, at: registry)
        _ = try await device.obey(slot)
        let rollout = try await start(newer.path, at: registry)
        let kept = registry.folder.file("backup")
        let first = try await registry.backup(to: kept)
        #expect(first.blobs > 0 && first.copied == first.blobs)
        let joins = try await registry.admin.createJoinToken(JoinTokenRequest())
        let second = try await registry.backup(to: kept)
        #expect(second.blobs == first.blobs && second.copied == 0, "what it has is not copied again")

        // Life goes on after the backup: changes that it does not know, as many as will be made after the restore.
        _ = try await device.obey(slot, before: [release.path])
        for path in [release.path, newer.path, release.path] {
            _ = try await registry.admin.rollback(RollbackRequest(device: device.name, slot: slot, to: path))
        }
        let seen = try #require(try await device.poll())
        let versions = try await registry.admin.status().metadataVersions
        try await registry.stop()

        let copy = try TemporaryFolder("restored")
        try await restore(kept, into: copy.file("data"))
        let restored = try await started(copy, after: registry)
        #expect(try await restored.call(.get, "/readyz").status == 200)
        #expect(try await restored.admin.release(release.path).indexDigest == release.index)
        #expect(try await restored.oci.blobSize(release.weights, in: release.path.repository) != nil)
        let now = try await restored.admin.status().metadataVersions
        for role in ["snapshot", "timestamp"] { #expect(now[role] ?? 0 > versions[role] ?? 0, "\(role)") }
        // The device is told what the registry knows, under a number above all that it has seen, whether or not the
        // registry would have reached that number by itself.
        let authority = Array(try await restored.admin.onlineKeys().authority.utf8)
        let client = try SimulatedDevice.client(restored, device.certificate, device.key, authority)
        _ = try await client.assignment(
            above: seen.number, wait: .zero, snapshot: 0, timestamp: 0, journal: device.journal)
        let number = try await restored.admin.device(device.name).assignment
        #expect(number > seen.number)
        #expect(try await restored.admin.rollout(rollout.id).state == .paused)
        #expect(try await restored.admin.joinTokens().allSatisfy { $0.id != joins.id })
        #expect(try await restored.admin.joinTokens().isEmpty, "what may have been used since is void")
        #expect(try await restored.admin.audit().contains { $0.action == "registry.restore" })
        try await restored.stop()
    }

    @Test("Operators' tokens of a backup are listed and revoked, and the first start makes a new one for an admin")
    func tokens() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let stolen = try await registry.admin.createToken(TokenRequest(name: "stolen", role: .operator))
        let kept = registry.folder.file("backup")
        try await registry.backup(to: kept)
        // After the backup: the restored registry cannot know of it.
        try await registry.admin.deleteToken(stolen.id)
        try await registry.stop()

        let copy = try TemporaryFolder("restored")
        let tokens = try await restore(kept, into: copy.file("data"), keepsTokens: false).tokens
        #expect(tokens.map(\.name).sorted() == ["admin", "stolen"])
        let restored = try await RegistryFixture.start(on: copy)
        #expect(restored.adminToken != registry.adminToken)
        for secret in [stolen.secret ?? "", registry.adminToken] {
            #expect(try await restored.call(.get, "/api/v1/status", token: secret).status == 401)
        }
        #expect(try await restored.admin.tokens().map(\.name) == ["admin"])
        let revoked = try await restored.admin.audit().filter { $0.action == "token.revoke" }.map(\.subject)
        #expect(Set(revoked).isSuperset(of: ["admin", "stolen"]))
        try await restored.stop()

        let open = registry.folder.file("kept")
        #expect(try await restore(kept, into: open, keepsTokens: true).tokens.count == 2)
        let same = try await started(try TemporaryFolder("same"), after: registry, data: open)
        #expect(try await same.call(.get, "/api/v1/status", token: stolen.secret ?? "").status == 200)
        try await same.stop()
    }

    @Test("A backup that is unfinished or damaged anywhere is refused, and nothing is served from it")
    func damage() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let kept = registry.folder.file("backup")
        try await registry.backup(to: kept)
        try await registry.stop()
        let state = kept + "/state-1"
        let blob = "\(kept)/blobs/sha256/\(release.weights.hex.prefix(2))/\(release.weights.hex)"
        for (number, file) in [state + "/registry.sqlite", state + "/keys/director.pem", blob].enumerated() {
            let good = try #require(FileManager.default.contents(atPath: file))
            var bad = good
            bad[bad.count / 2] ^= 1
            try FileManager.default.removeItem(atPath: file)
            try bad.write(to: URL(fileURLWithPath: file))
            let target = registry.folder.file("target-\(number)")
            #expect(await errorCode { try await restore(kept, into: target) } == "backupDamaged", "\(file)")
            let served = await errorCode {
                try await RegistryApp(
                    configuration: RegistryConfiguration(
                        dataFolder: target, operatorAddress: ListenAddress(host: "127.0.0.1", port: 0),
                        deviceAddress: ListenAddress(host: "127.0.0.1", port: 0), clock: { TestClock().now },
                        announce: { _ in })
                ).run(handlingSignals: false)
            }
            #expect(served == "restoreUnfinished", "\(file)")
            try FileManager.default.removeItem(atPath: file)
            try good.write(to: URL(fileURLWithPath: file))
            // Begun again with what is whole, it ends.
            try await restore(kept, into: target)
            #expect(await errorCode { try await restore(kept, into: target) } == "dataFolderNotEmpty")
        }
        try FileManager.default.removeItem(atPath: kept + "/backup.json")
        #expect(await errorCode { try await restore(kept, into: registry.folder.file("none")) } == "backupIncomplete")
    }

    @Test("A backup holds private keys, and nobody else may read it")
    func modes() async throws {
        let registry = try await RegistryFixture.start()
        let kept = registry.folder.file("backup")
        try await registry.backup(to: kept)
        func mode(_ path: String) throws -> Int {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
        }
        let state = kept + "/state-1"
        #expect(try mode(kept) == 0o700 && mode(state) == 0o700 && mode(state + "/keys") == 0o700)
        for name in try FileManager.default.contentsOfDirectory(atPath: state + "/keys") {
            #expect(try mode(state + "/keys/" + name) == 0o600, "\(name)")
        }
        #expect(try mode(state + "/registry.sqlite") == 0o600)
        try await registry.stop()
        let empty = registry.folder.file("empty")
        let clock = registry.clock
        #expect(
            await errorCode { _ = try await RegistryBackup(dataFolder: empty, clock: { clock.now }).run(to: kept) }
                == "notADataFolder")
    }

    @Test("A backup into a registry's folder is refused, and touches nothing there")
    func intoRegistry() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let other = try await RegistryFixture.start()
        for fixture in [registry, other] { try await fixture.stop() }
        let link = registry.folder.file("link")
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: link, withDestinationPath: registry.data)
        // One that never ran, and one that an earlier program has taken for a backup.
        let bare = registry.folder.file("bare")
        try manager.createDirectory(atPath: bare, withIntermediateDirectories: false)
        try Data([1]).write(to: URL(fileURLWithPath: bare + "/registry.sqlite"))
        let taken = registry.folder.file("taken")
        try await registry.backup(to: taken)
        try manager.copyItem(atPath: other.data + "/run", toPath: taken + "/run")
        try Data([1]).write(to: URL(fileURLWithPath: taken + "/registry.sqlite"))
        for target in [registry.data, registry.data + "/", link, other.data, bare, taken] {
            let before = try manager.subpathsOfDirectory(atPath: target).sorted()
            #expect(await errorCode { try await registry.backup(to: target) } == "backupIntoRegistry", "\(target)")
            #expect(try manager.subpathsOfDirectory(atPath: target).sorted() == before, "\(target)")
        }
    }

    @Test("A backup taken while releases are published holds every blob that it names")
    func whilePublishing() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let kept = registry.folder.file("backup")
        async let publishing: Void = {
            for number in 0..<8 { _ = try await registry.publish("clinic/triage/1.\(number).0") }
        }()
        for _ in 0..<3 { try await registry.backup(to: kept) }
        try await publishing
        try await registry.stop()
        let copy = try TemporaryFolder("restored")
        try await restore(kept, into: copy.file("data"))
        let restored = try await started(copy, after: registry)
        for release in try await restored.admin.releases() {
            for variant in release.variants {
                #expect(try await restored.admin.release(release.path).variants.contains(variant))
            }
        }
        try await restored.stop()
    }
}
