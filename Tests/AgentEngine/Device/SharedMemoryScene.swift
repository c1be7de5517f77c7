import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing
import Trust

/// A device of which several slots share memory that does not hold all of them, with real engines and its gateway.
struct SharedMemoryScene {
    let device: DeviceFixture
    let agent: DeviceAgent
    let port: Int
    let room: EngineRoom

    /// Runs a device while `body` does. Each engine takes `need` MiB of `budget` by the estimate.
    static func run(
        _ device: DeviceFixture, budget: Int64?, need: Int64 = 60, minResidence: Duration = .milliseconds(200),
        settings: SwapSettings = SwapSettings(), maxPark: Duration = .seconds(30),
        startRefusal: @escaping @Sendable () -> String? = { nil }, _ body: (SharedMemoryScene) async throws -> Void
    ) async throws {
        let gateway = Gateway(
            configuration: GatewayConfiguration(port: 0, maxPark: maxPark), clock: { DeviceFixture.now })
        let room = EngineRoom(budget: budget.map { .mebibytes($0) }, minResidence: minResidence) { slot in
            RoomLedger.Usage(idle: gateway.idleTime(slot))
        }
        var engines = device.engineTools(settings)
        engines.gateway = gateway
        engines.startRefusal = startRefusal
        engines.room = room
        engines.need = { _ in EngineNeed(own: .mebibytes(need)) }
        var limits = SlotLimits()
        limits.holdInterval = .milliseconds(20)
        let agent = DeviceAgent(
            tools: SlotTools(
                store: device.store, installer: device.installer(), engines: engines, clock: device.clock,
                limits: limits, logger: .silent))
        let slots = Task { try await agent.run() }
        let serving = Task { try await gateway.run() }
        let result: Result<Void, any Error>
        do {
            let scene = SharedMemoryScene(device: device, agent: agent, port: try await gateway.boundPort, room: room)
            result = .success(try await body(scene))
        } catch {
            result = .failure(error)
        }
        serving.cancel()
        _ = await serving.result
        slots.cancel()
        _ = await slots.result
        try result.get()
    }

    /// What an assignment says of a slot.
    static func wanted(
        _ release: AssignedRelease, generation: Int64, _ residency: SlotResidency? = nil, soak: Int = 0
    ) -> SlotAssignment {
        SlotAssignment(
            releases: [release],
            settings: SlotSettings(contextTokens: 256, threads: 1, residency: residency), generation: generation,
            update: UpdatePolicy(soakSeconds: soak))
    }

    /// Assigns and waits until all is committed.
    func apply(_ number: Int64, _ slots: [String: SlotAssignment]) async throws {
        let named = try Dictionary(uniqueKeysWithValues: slots.map { (try SlotName($0.key), $0.value) })
        await agent.apply(device.assignment(number: number, slots: named))
        for (name, wanted) in named {
            try await until("\(name) is committed") {
                let record = await agent.snapshots().first { $0.record.slot == name }?.record
                return record?.phase == .committed && record?.current?.assigned == wanted.generation
            }
        }
    }

    /// The whole answer of the slot to one question.
    @discardableResult
    func ask(_ slot: String) async -> String {
        let body =
            #"{"model":"\#(slot)","max_tokens":4,"messages":[{"role":"user","content":"my parcel never came"}]}"#
        return await TinyHTTPClient.post(port: port, path: "/v1/chat/completions", body: body)
    }

    func activity(_ slot: String) async -> SlotActivity? {
        await agent.snapshots().first { $0.record.slot.text == slot }?.activity
    }

    /// Processes that serve a slot.
    func engines(_ slot: String) throws -> [Int32] {
        try EngineProcesses.pids(under: device.folder.path + "/run/engines/\(slot)/")
    }

    func until(_ what: String, within seconds: Double = 240, _ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while try await !condition() {
            guard ContinuousClock.now < end else {
                let last = await agent.snapshots().map { "\($0.record.slot) \($0.record.phase) \($0.activity)" }
                throw DeviceFixture.NeverHappened(what: what, last: last.joined(separator: "; "))
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

/// Questions to one slot, one after the other, until it is stopped.
final class SteadyLoad: Sendable {
    private let good = Mutex(0)
    private let bad = Mutex<[String]>([])
    private let tasks: Mutex<[Task<Void, Never>]> = Mutex([])

    init(_ scene: SharedMemoryScene, slot: String, clients: Int = 2) {
        let tasks = (0..<clients).map { _ in
            Task {
                while !Task.isCancelled {
                    let reply = await scene.ask(slot)
                    if reply.hasPrefix("HTTP/1.1 200") {
                        good.withLock { $0 += 1 }
                    } else if !Task.isCancelled {
                        bad.withLock { $0.append(reply) }
                    }
                }
            }
        }
        self.tasks.withLock { $0 = tasks }
    }

    var answered: Int { good.withLock { $0 } }
    var failures: [String] { bad.withLock { $0 } }

    /// Waits until so many more were answered.
    func more(_ count: Int) async throws {
        let goal = answered + count
        let end = ContinuousClock.now + .seconds(240)
        while answered < goal {
            guard ContinuousClock.now < end else {
                throw DeviceFixture.NeverHappened(what: "\(count) more answers", last: "\(failures.prefix(1))")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    func stop() async {
        for task in tasks.withLock({ $0 }) {
            task.cancel()
            await task.value
        }
    }
}

extension EngineProcesses {
    /// Processes whose command line names something under a folder.
    static func pids(under folder: String) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
            guard let pid = Int32(name),
                let line = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline")),
                String(decoding: line, as: UTF8.self).contains(folder)
            else { return nil }
            return pid
        }
    }
}
