import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing
import Trust

/// The steps of docs/operations.md, "Backup and restore".
@Suite struct BackupTests {
    @Test("A backup taken while it runs is a registry of its own, and goes on above what devices saw since")
    func backup() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        let data = registry.folder.file("data")
        let copy = try TemporaryFolder("restored")
        let target = copy.file("data")
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        // The database first: blobs that it names are all there when they are copied after it.
        let database = try await run(
            "/usr/bin/sqlite3", [data + "/registry.sqlite", ".backup '\(target)/registry.sqlite'"])
        #expect(database.status == 0, "\(database.errors)")
        let files = try await run("/bin/cp", ["-a", data + "/keys", data + "/blobs", target])
        #expect(files.status == 0, "\(files.errors)")

        // Life goes on after the backup: the device accepts an assignment that the backup does not know.
        let slot = try SlotName("triage")
        _ = try await registry.admin.startRollout(
            RolloutRequest(selector: try LabelSelector(""), slot: slot, releases: [release.path]))
        let assignment = try await device.obey(slot)
        try await registry.stop()

        for name in ["admin.token", "root.pem", "targets.pem", "clinic.pem"] {
            try FileManager.default.copyItem(atPath: registry.folder.file(name), toPath: copy.file(name))
        }
        let restored = try await RegistryFixture.start(on: copy)
        #expect(try await restored.call(.get, "/readyz").status == 200)
        #expect(try await restored.admin.release(release.path).indexDigest == release.index)
        #expect(try await restored.oci.blobSize(release.weights, in: release.path.repository) != nil)
        #expect(try await restored.admin.device(device.name).assignment < assignment.number)
        let authority = Array(try await restored.admin.onlineKeys().authority.utf8)
        let client = try SimulatedDevice.client(restored, device.certificate, device.key, authority)
        _ = try await client.assignment(
            above: assignment.number, wait: .zero, snapshot: 0, timestamp: 0, journal: device.journal)
        #expect(try await restored.admin.device(device.name).assignment == assignment.number + 1)
        try await restored.stop()
    }
}
