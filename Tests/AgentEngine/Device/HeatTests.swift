import AgentEngine
import AgentStore
import DeviceProfiles
import Foundation
import Glibc
import MartletAPI
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing

/// A board whose heat tests set.
private final class Board: Sendable {
    static let refusal = "The board is warmer than 80 °C."
    private let state = Mutex((isHot: false, passes: 0))

    /// It is hot from now on, but for the next so many looks.
    func heat(after passes: Int = 0) { state.withLock { $0 = (true, passes) } }

    func cool() { state.withLock { $0 = (false, 0) } }

    var refusal: String? {
        state.withLock { state in
            guard state.isHot else { return nil }
            guard state.passes > 0 else { return Self.refusal }
            state.passes -= 1
            return nil
        }
    }
}

@Suite("A board that is too hot", .serialized)
struct HeatTests {
    private typealias Scene = SharedMemoryScene

    private func settings(_ swap: SwapMode? = nil) -> SwapSettings {
        var settings = SwapSettings(swap: swap)
        settings.heatInterval = .milliseconds(20)
        return settings
    }

    private func run(
        _ device: DeviceFixture, _ board: Board, _ swap: SwapMode? = nil, maxPark: Duration = .seconds(30),
        _ body: (Scene) async throws -> Void
    ) async throws {
        try await Scene.run(
            device, budget: nil, settings: settings(swap), maxPark: maxPark, startRefusal: { board.refusal }, body)
    }

    @Test("No candidate starts, what serves comes back after a crash and at boot, and what waited goes on in the cool")
    func candidate() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let second = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let slot = try SlotName("a")
        let board = Board()
        try await run(device, board, .replace) { scene in
            try await scene.apply(1, ["a": Scene.wanted(first, generation: 1)])
            let served = try scene.engines("a")
            // It becomes hot when the release is fetched and stands.
            board.heat(after: 1)
            let slots = [slot: Scene.wanted(second, generation: 2)]
            await scene.agent.apply(device.assignment(number: 2, slots: slots))
            try await scene.until("it waits for the board") {
                await scene.agent.snapshots().first?.record.failedTry?.code == "tooHot"
            }
            #expect(try served.count == 1 && scene.engines("a") == served, "what serves made no place")
            let told = try await device.reports().filter { $0.generation == 2 }
            #expect(told.last?.state == .offered && told.last?.code == "waiting" && told.last?.message == Board.refusal)
            #expect(!told.contains { $0.state == .failed })
            for pid in served { kill(pid, SIGKILL) }
            try await scene.until("it was started again") {
                let now = try scene.engines("a")
                return now.count == 1 && now != served
            }
        }
        try await run(device, board, .replace) { scene in
            try await scene.until("it serves after a boot") { try scene.engines("a").count == 1 }
            #expect(await scene.ask("a").hasPrefix("HTTP/1.1 200"))
            let record = try #require(await scene.agent.snapshots().first?.record)
            #expect(record.current?.assigned == 1 && record.override == nil && record.attempts == 0)
            board.cool()
            try await scene.until("the new one serves") {
                let record = await scene.agent.snapshots().first?.record
                return record?.phase == .committed && record?.current?.assigned == 2
            }
        }
        let told = try await device.reports().filter { $0.generation == 2 }
        #expect(told.filter { $0.code == "waiting" }.count == 1 && told.last?.state == .succeeded)
        await device.close()
    }

    @Test("A resting slot is not woken beside another's engine, and its clients are told why")
    func lazy() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let board = Board()
        let slots = [
            "lazy": Scene.wanted(release, generation: 1, SlotResidency(start: .onDemand)),
            "eager": Scene.wanted(release, generation: 1, SlotResidency(start: .always)),
        ]
        try await run(device, board) { scene in try await scene.apply(1, slots) }
        board.heat()
        try await run(device, board, maxPark: .seconds(1)) { scene in
            try await scene.until("both serve, one of them at rest") {
                let rest = await scene.activity("lazy")?.rest
                return try scene.engines("eager").count == 1 && rest == .onDemand
            }
            let reply = await scene.ask("lazy")
            #expect(reply.hasPrefix("HTTP/1.1 503") && reply.lowercased().contains("retry-after: 60"), "\(reply)")
            #expect(reply.contains(Board.refusal), "\(reply)")
            #expect(try scene.engines("lazy").isEmpty)
            #expect(await scene.ask("eager").hasPrefix("HTTP/1.1 200"))
        }
        try await run(device, board) { scene in
            try await scene.until("both serve again") {
                let rest = await scene.activity("lazy")?.rest
                return try scene.engines("eager").count == 1 && rest == .onDemand
            }
            async let reply = scene.ask("lazy")
            try await scene.until("it waits") { await scene.activity("lazy")?.isWaking == true }
            board.cool()
            let answer = await reply
            #expect(answer.hasPrefix("HTTP/1.1 200"), "\(answer)")
        }
        await device.close()
    }

    @Test("The only engine of a device is started however hot it is")
    func alone() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let board = Board()
        let lazy = Scene.wanted(release, generation: 1, SlotResidency(start: .onDemand))
        try await run(device, board) { scene in try await scene.apply(1, ["lazy": lazy]) }
        board.heat()
        try await run(device, board) { scene in
            try await scene.until("it rests") { await scene.activity("lazy")?.rest == .onDemand }
            #expect(await scene.ask("lazy").hasPrefix("HTTP/1.1 200"))
        }
        await device.close()
    }

    @Test(
        "By the profile's second limit, of the zones that it counts",
        arguments: [
            ("cpu-thermal", 81_000, false), ("cpu-thermal", 83_000, true), ("other-thermal", 99_000, false),
        ])
    func limit(zone: String, milliCelsius: Int, isRefused: Bool) throws {
        let root = try TemporaryFolder("heat")
        let path = root.path + "/sys/class/thermal/thermal_zone0"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Data("\(zone)\n".utf8).write(to: URL(fileURLWithPath: path + "/type"))
        try Data("\(milliCelsius)\n".utf8).write(to: URL(fileURLWithPath: path + "/temp"))
        func refusal(_ profile: String) throws -> String? {
            let probe = HardwareProbe(root: root.path, architecture: "arm64")
            return try DeviceHardware.read(probe: probe, profile: profile) { _ in [:] }.startRefusal
        }
        let found = try refusal("raspberry-pi-4")
        #expect((found != nil) == isRefused && (found?.contains("82 °C") ?? true), "\(found ?? "none")")
        // A profile that says nothing of heat refuses nothing.
        #expect(try refusal("generic-arm64") == nil)
    }
}
