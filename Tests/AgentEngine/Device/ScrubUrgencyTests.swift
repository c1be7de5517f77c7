import AgentStore
import Foundation
import Logging
import MartletAPI
import MartletTypes
import Synchronization
import TestSupport
import Testing

@testable import AgentEngine

@Suite("What does not serve, while the slow round is held")
struct ScrubUrgencyTests {
    /// A device on a board that becomes hot, with weights that are none of the registry's.
    private struct Scene {
        let device: DeviceFixture
        let orders = RepairOrders()
        let heat = Heat()
        let log = LogRing()

        init() async throws { device = try await DeviceFixture() }

        /// A slot whose one file has other bytes than it should, the last of them being wrong.
        func slot(_ name: String, megabytes: Int) async throws -> (record: GenerationRecord, sound: [UInt8]) {
            let sound = [UInt8](repeating: UInt8(ascii: name.unicodeScalars.first ?? "a"), count: megabytes << 20)
            let digest = Digest.of(sound)
            let slot = try SlotName(name)
            var record = SlotFixtures.generation(1, try SlotFixtures.target("1.0.0", generation: 1), slot: slot)
            record.files = [
                GenerationFile(role: .weights, name: "model.gguf", digest: digest, size: ByteCount(sound.count))
            ]
            var rotten = sound
            rotten[sound.count - 1] ^= 1
            try Data(rotten).write(to: URL(fileURLWithPath: device.store.blobs.path(of: digest)))
            var saved = SlotRecord(slot: slot)
            saved.current = record
            saved.phase = .committed
            try await device.store.journal.save(saved, transition: nil)
            return (record, sound)
        }

        /// Scrubs, one file after the other.
        func scrubbing() -> Task<Void, any Error> {
            var installer = device.installer()
            installer.gate = BackgroundGate(
                isHot: { heat.isOn() },
                pause: { _ in
                    heat.paused()
                    await Pause.take(.milliseconds(1))
                })
            let scrub = BlobScrub(
                store: device.store, installer: installer, clock: device.clock, interval: .milliseconds(1),
                orders: orders,
                logger: Logger(label: "test") { log.handler(StreamLogHandler.standardError(label: $0)) })
            return Task { try await scrub.run() }
        }

        func told(_ code: String, of record: GenerationRecord) async throws -> Bool {
            try await device.reports().contains { $0.code == code && $0.slot == record.slot }
        }

        func end(_ task: Task<Void, any Error>) async {
            task.cancel()
            _ = await task.result
            await device.close()
        }
    }

    /// The heat of a board, from the second look on, until it is let go.
    private final class Heat: Sendable {
        private let state = Mutex((looks: 0, isOver: false, isNow: false, pauses: 0))

        func isOn() -> Bool {
            state.withLock {
                $0.looks += 1
                return !$0.isOver && ($0.isNow || $0.looks > 1)
            }
        }

        func set(_ isNow: Bool) { state.withLock { ($0.isNow, $0.isOver) = (isNow, !isNow) } }
        func paused() { state.withLock { $0.pauses += 1 } }
        var pauses: Int { state.withLock { $0.pauses } }
    }

    @Test("it is looked at first, in the middle of another file and of a download that is held too")
    func suspects() async throws {
        let scene = try await Scene()
        let (large, _) = try await scene.slot("a", megabytes: 20)
        let (second, _) = try await scene.slot("b", megabytes: 1)
        let (third, _) = try await scene.slot("c", megabytes: 1)
        let task = scene.scrubbing()
        try await eventually(within: 30, "the round is held") { scene.heat.pauses > 5 }
        scene.orders.suspect(second)
        try await eventually(within: 30, "b is looked at") { try await scene.told("blobRotten", of: second) }
        // What is fetched in its place is held by the heat.
        let pauses = scene.heat.pauses
        try await eventually(within: 30, "the download is held") { scene.heat.pauses > pauses + 5 }
        scene.orders.suspect(third)
        try await eventually(within: 30, "c is looked at") { try await scene.told("blobRotten", of: third) }
        #expect(try await !scene.told("blobRotten", of: large))
        scene.heat.set(false)
        try await eventually(within: 30, "the round goes on") { try await scene.told("blobRotten", of: large) }
        #expect(try await scene.device.reports().filter { $0.code == "blobRotten" }.count == 3, "each is told of once")
        await scene.end(task)
    }

    @Test("what is owed is tried again in the middle of another file, as soon as its pause is over")
    func debts() async throws {
        let scene = try await Scene()
        scene.heat.set(false)
        let (owed, sound) = try await scene.slot("b", megabytes: 1)
        let task = scene.scrubbing()
        scene.orders.suspect(owed)
        let device = scene.device
        // Only then: heat holds a download that is under way.
        try await eventually(within: 30, "the registry has it not") {
            scene.log.last(100).contains { $0.text.contains("blob not mended") }
        }
        #expect(device.registry.seen.contains { $0.target.contains("/blobs/") })
        // Somebody else brings it: within the pause, for what is fetched by then is held by the heat.
        try await device.store.blobs.put(sound, as: .of(sound))
        scene.heat.set(true)
        let (large, _) = try await scene.slot("a", megabytes: 20)
        let pauses = scene.heat.pauses
        try await eventually(within: 30, "the round is held") { scene.heat.pauses > pauses + 5 }
        try await eventually(within: 60, "it is tried again") { try await scene.told("blobMended", of: owed) }
        #expect(try await !scene.told("blobRotten", of: large))
        await scene.end(task)
    }
}
