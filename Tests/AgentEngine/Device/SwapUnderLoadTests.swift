import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing
import Trust

@Suite("Swaps and crashes under load", .serialized)
struct SwapUnderLoadTests {
    private final class Figures: Sendable {
        let good = Mutex(0)
        let bad = Mutex<[String]>([])
    }

    @Test("No request fails across swaps and a way back, in either mode", arguments: [SwapMode.sideBySide, .replace])
    func swaps(_ mode: SwapMode) async throws {
        let device = try await DeviceFixture(withEngine: true)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let second = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let agent = device.agent(SwapSettings(swap: mode))
        let figures = Figures()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await agent.run() }
            group.addTask { try await device.gateway.run() }
            let port = try await device.gateway.boundPort
            await agent.apply(device.assignment(number: 1, first))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            let load = (0..<2).map { _ in Task { await Self.ask(port, figures) } }
            for (number, release) in [(2, second), (3, first), (4, second)] as [(Int64, AssignedRelease)] {
                let before = figures.good.withLock { $0 }
                await agent.apply(device.assignment(number: number, release))
                let record = try await device.eventually("\(number) is committed") { $0.current?.assigned == number }
                #expect(record.figures.unavailableMilliseconds != nil)
                while figures.good.withLock({ $0 }) < before + 5 { try await Task.sleep(for: .milliseconds(10)) }
            }
            // The load ends first: an agent that stops would let its last requests wait for an engine.
            for task in load {
                task.cancel()
                await task.value
            }
            group.cancelAll()
        }
        #expect(figures.bad.withLock { $0 } == [])
        #expect(figures.good.withLock { $0 } >= 15)
        await device.close()
    }

    @Test("An engine that dies again and again makes room for the previous generation")
    func crashLoop() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let second = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let agent = device.agent()
        let task = Task { try await agent.run() }
        await agent.apply(device.assignment(number: 1, first))
        try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
        await agent.apply(device.assignment(number: 2, second))
        let current = try await device.eventually("2.0.0 is committed") { $0.current?.assigned == 2 }.current
        let end = ContinuousClock.now + .seconds(240)
        while try await device.record()?.override == nil, ContinuousClock.now < end {
            for pid in try EngineProcesses.pids(of: device, generation: try #require(current?.id)) {
                kill(pid, SIGKILL)
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        let record = try await device.eventually("1.0.0 is current again") { $0.current?.assigned == 1 }
        #expect(record.override?.code == "crashLoop")
        #expect(record.previous?.assigned == 2)
        while await agent.snapshots().first?.serving != record.current?.id, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(await agent.snapshots().first?.serving == record.current?.id)
        task.cancel()
        _ = await task.result
        await device.close()
    }

    @Test("Two agents cannot have one port: the second says so")
    func portInUse() async throws {
        let device = try await DeviceFixture()
        let task = Task { try await device.gateway.run() }
        let port = try await device.gateway.boundPort
        let second = Gateway(configuration: GatewayConfiguration(port: port), clock: { DeviceFixture.now })
        let error = await #expect(throws: RuntimeError.self) { try await second.run() }
        #expect(error?.kind == .portInUse)
        task.cancel()
        _ = await task.result
        await device.close()
    }

    /// Asks the slot until cancelled, one question after the other.
    private static func ask(_ port: Int, _ figures: Figures) async {
        let body = #"{"model":"triage","max_tokens":4,"messages":[{"role":"user","content":"my parcel never came"}]}"#
        while !Task.isCancelled {
            let reply = await TinyHTTPClient.post(port: port, path: "/v1/chat/completions", body: body)
            if reply.hasPrefix("HTTP/1.1 200") {
                figures.good.withLock { $0 += 1 }
            } else if !Task.isCancelled {
                figures.bad.withLock { $0.append(reply) }
            }
        }
    }
}

/// The engines that run for a device, found by their command lines.
enum EngineProcesses {
    static func pids(of device: DeviceFixture, generation: GenerationID? = nil) throws -> [Int32] {
        let wanted =
            device.folder.path + "/run/engines/\(device.slot)/" + (generation.map { "\($0)/" } ?? "")
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
            guard let pid = Int32(name),
                let line = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline")),
                String(decoding: line, as: UTF8.self).contains(wanted)
            else { return nil }
            return pid
        }
    }
}
