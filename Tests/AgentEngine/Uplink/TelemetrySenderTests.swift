import AgentStore
import Foundation
import MartletTypes
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import AgentEngine

@Suite("Measurements on their way")
struct TelemetrySenderTests {
    private let device: DeviceFolder
    private let peer = FakeUplink()

    init() async throws { device = try await DeviceFolder() }

    private func sender(interval: Duration = .seconds(3600), budget: ByteCount = .mebibytes(1)) throws
        -> TelemetrySender
    {
        let slot = try SlotName("triage")
        return TelemetrySender(
            source: TelemetrySender.Source(
                device: try DeviceID("ward-1"), profile: "generic",
                intervals: {
                    var interval = GatewayInterval(
                        slot: slot, generation: 3, release: ReleaseLabel(path: "clinic/triage/1.0.0", digest: "d"),
                        start: FakeAuthority.now, end: FakeAuthority.now + .seconds(1))
                    interval.requests = 7
                    return [interval]
                },
                sample: { SystemSample(time: FakeAuthority.now) }),
            journal: device.store.journal, peer: peer, interval: interval, budget: budget, random: { 1 },
            logger: AgentLog.silent)
    }

    @Test("what is measured is kept, then sent in order as OTLP, then gone")
    func order() async throws {
        let sender = try sender()
        for _ in 0..<3 { await sender.measure() }
        await peer.set(fates: [.unreachable])
        var backoff = Backoff()
        #expect(await sender.sendAll(&backoff) == .milliseconds(500))
        #expect(await peer.exports.isEmpty)
        #expect(await sender.sendAll(&backoff) == nil)
        #expect(await peer.exports.map(\.sequence) == [1, 2, 3])
        #expect(try await device.store.journal.oldestMeasurements() == nil)
        let sent = try #require(await peer.exports.first?.body)
        #expect(CompressedExport.isCompressed(sent))
        let body = try CompressedExport.expanding(sent, limit: Limits.telemetryBodyBytes)
        #expect(sent.count * 2 < body.count)
        let export = try JSONText.decode(OTLP.MetricsRequest.self, from: body)
        let metrics = export.resourceMetrics.flatMap(\.scopeMetrics).flatMap(\.metrics)
        #expect(metrics.contains { $0.name == TelemetryNames.requests })
        #expect(!String(decoding: body, as: UTF8.self).contains("null"))
    }

    @Test("a lost answer sends the same export under the same number again")
    func lostAnswer() async throws {
        let sender = try sender()
        await sender.measure()
        await peer.set(fates: [.answerLost])
        var backoff = Backoff()
        #expect(await sender.sendAll(&backoff) != nil)
        #expect(await sender.sendAll(&backoff) == nil)
        #expect(await peer.exports.map(\.sequence) == [1, 1])
    }

    @Test("an export that is never taken is dropped, the next is sent")
    func poison() async throws {
        let sender = try sender()
        for _ in 0..<3 { await sender.measure() }
        await peer.set(poison: [2])
        var backoff = Backoff()
        #expect(await sender.sendAll(&backoff) == nil)
        #expect(await peer.exports.map(\.sequence) == [1, 3])
    }

    @Test("beyond the budget the oldest go")
    func budget() async throws {
        let probe = try sender()
        await probe.measure()
        let size = try #require(try await device.store.journal.oldestMeasurements()).body.count
        let sender = try sender(budget: ByteCount(size * 2))
        for _ in 0..<4 { await sender.measure() }
        var backoff = Backoff()
        #expect(await sender.sendAll(&backoff) == nil)
        #expect(await peer.exports.map(\.sequence) == [4, 5])
    }

    @Test("while it runs it measures and sends by itself, and keeps the last measurement when it ends")
    func runs() async throws {
        let sender = try sender(interval: .milliseconds(20))
        let running = Task { try await sender.run() }
        try await eventually(within: 20, "exports arrive") { await peer.exports.count >= 3 }
        running.cancel()
        try await running.value
        let sent = await peer.exports.map(\.sequence)
        #expect(sent == sent.sorted())
        #expect(try await device.store.journal.oldestMeasurements() != nil)
    }

    @Test("the box is measured from its files; what cannot be read is absent")
    func samples() async throws {
        let folder = try TemporaryFolder()
        func write(_ text: String, _ path: String) throws {
            let url = URL(fileURLWithPath: folder.file(path))
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        try write("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3 4\n", "proc/stat")
        try write("MemTotal:        1000 kB\nMemFree: 1 kB\nMemAvailable:     400 kB\n", "proc/meminfo")
        try write("0.50 0.40 0.30 1/100 4242\n", "proc/loadavg")
        try write("41000\n", "sys/class/thermal/thermal_zone0/temp")
        try write("52500\n", "sys/class/thermal/thermal_zone1/temp")
        try write("99000\n", "sys/class/thermal/cooling_device0/temp")
        let sampler = SystemSampler(root: folder.path, store: folder.path, clock: { FakeAuthority.now })
        let first = await sampler.sample()
        #expect(first.cpu == nil)
        #expect(first.memoryUsed == ByteCount(600 * 1024))
        #expect(first.load == 0.5)
        #expect(first.temperatureCelsius == 52.5)
        #expect((first.diskTotal ?? .zero) >= (first.diskUsed ?? .mebibytes(1)))
        try write("cpu  150 0 150 900 0 0 0 0 0 0\n", "proc/stat")
        try FileManager.default.removeItem(atPath: folder.file("proc/meminfo"))
        let second = await sampler.sample()
        #expect(second.cpu == 0.5)
        #expect(second.memoryTotal == nil)
    }
}
