import AgentEngine
import AgentStore
import Foundation
import Logging
import MartletAPI
import MartletTypes
import Testing

@Suite("Scrubbing")
struct BlobScrubTests {
    @Test("A blob that rots on the device is found, put aside, reported and fetched again")
    func mends() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let installer = device.installer()
        var slot = SlotRecord(slot: device.slot)
        let plan = try await installer.plan(device.target(release), record: slot)
        _ = try await installer.fetch(plan)
        slot.current = try await installer.stage(plan).record
        slot.phase = .committed
        try await device.store.journal.save(slot, transition: nil)
        let digest = try #require(slot.current?.files.first?.digest)
        let path = device.store.blobs.path(of: digest)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try FileManager.default.removeItem(atPath: path)
        try bytes.write(to: URL(fileURLWithPath: path))
        let scrub = BlobScrub(
            store: device.store, installer: installer, clock: device.clock, interval: .milliseconds(1),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let task = Task { try await scrub.run() }
        let end = ContinuousClock.now + .seconds(30)
        while try await !device.reports().contains(where: { $0.code == "blobMended" }), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        task.cancel()
        _ = await task.result
        #expect(try await device.reports().map(\.code) == ["blobRotten", "blobMended"])
        #expect(try await device.store.blobs.scrub(digest))
        await device.close()
    }
}
