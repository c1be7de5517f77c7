import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing
import Trust

@Suite("Slots that share memory", .serialized)
struct SharedMemoryTests {
    private typealias Scene = SharedMemoryScene

    @Test("Two slots that do not fit together make room for one another, and each request is answered")
    func turns() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await Scene.run(device, budget: 100) { scene in
            try await scene.apply(1, ["a": Scene.wanted(release, generation: 1)])
            #expect(await scene.activity("a")?.rest == nil)
            // The second proves itself in the room of the first, of which nobody asks anything.
            try await scene.apply(
                2, ["a": Scene.wanted(release, generation: 1), "b": Scene.wanted(release, generation: 2)])
            try await scene.until("a made room") {
                await scene.activity("a")?.rest == .displaced(by: try SlotName("b"))
            }
            #expect(await scene.agent.snapshots().allSatisfy { $0.serving != nil })
            for slot in ["a", "b", "b", "a", "a", "b"] {
                let reply = await scene.ask(slot)
                #expect(reply.hasPrefix("HTTP/1.1 200"), "\(slot): \(reply)")
                #expect(try scene.engines(slot).count == 1)
                #expect(try scene.engines(slot == "a" ? "b" : "a").isEmpty)
                #expect(await scene.room.account.taken == .mebibytes(60))
            }
        }
        await device.close()
    }

    @Test("Both slots asked at once for a while are both answered, in turns, and nothing fails")
    func contention() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await Scene.run(device, budget: 100) { scene in
            try await scene.apply(
                1, ["a": Scene.wanted(release, generation: 1), "b": Scene.wanted(release, generation: 1)])
            let loads = [SteadyLoad(scene, slot: "a"), SteadyLoad(scene, slot: "b")]
            for _ in 0..<3 { for load in loads { try await load.more(2) } }
            for load in loads {
                await load.stop()
                #expect(load.failures == [])
            }
        }
        await device.close()
    }

    @Test("A slot that starts on demand has no engine after the agent's start until it is asked")
    func lazyStart() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let slots = [
            "lazy": Scene.wanted(release, generation: 1, SlotResidency(start: .onDemand)),
            "eager": Scene.wanted(release, generation: 1, SlotResidency(start: .always)),
        ]
        try await Scene.run(device, budget: nil) { scene in try await scene.apply(1, slots) }
        device.registry.isAway = true
        try await Scene.run(device, budget: nil) { scene in
            try await scene.until("eager runs") { try scene.engines("eager").count == 1 }
            try await scene.until("lazy waits for a request") { await scene.activity("lazy")?.rest == .onDemand }
            #expect(try scene.engines("lazy").isEmpty)
            try await scene.until("both serve") {
                await scene.agent.snapshots().allSatisfy { $0.serving != nil }
            }
            let reply = await scene.ask("lazy")
            #expect(reply.hasPrefix("HTTP/1.1 200"), "\(reply)")
            #expect(try scene.engines("lazy").count == 1)
        }
        await device.close()
    }

    @Test("An idle slot rests, wakes by a request, and proves an update while it rests")
    func idleSleep() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let second = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf", probes: [Probe(prompt: "hello")]))
        let residency = SlotResidency(idleSeconds: 1)
        try await Scene.run(device, budget: nil) { scene in
            func rests() async throws {
                try await scene.until("it rests") {
                    let rest = await scene.activity("a")?.rest
                    return try rest == .idle(.seconds(1)) && scene.engines("a").isEmpty
                }
            }
            try await scene.apply(1, ["a": Scene.wanted(first, generation: 1, residency)])
            try await rests()
            #expect(await scene.agent.snapshots().first?.serving != nil)
            #expect(await scene.ask("a").hasPrefix("HTTP/1.1 200"))
            try await rests()
            try await scene.apply(2, ["a": Scene.wanted(second, generation: 2, residency)])
            let record = try #require(await scene.agent.snapshots().first?.record)
            // Nobody waited for it while it rested.
            #expect(record.figures.unavailableMilliseconds == 0)
            try await rests()
            #expect(await scene.ask("a").hasPrefix("HTTP/1.1 200"))
        }
        await device.close()
    }

    @Test("An engine started for a request has it before it can be found idle, however short that time is")
    func shortSleep() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var settings = SwapSettings()
        settings.idleTime = .milliseconds(1)
        // Asked before each start for a request.
        let starts = Mutex(0)
        let noRefusal: @Sendable () -> String? = {
            starts.withLock { $0 += 1 }
            return nil
        }
        try await Scene.run(device, budget: nil, settings: settings, startRefusal: noRefusal) { scene in
            try await scene.apply(1, ["a": Scene.wanted(release, generation: 1)])
            for _ in 0..<8 {
                try await scene.until("it rests") {
                    let rest = await scene.activity("a")?.rest
                    return try rest != nil && scene.engines("a").isEmpty
                }
                starts.withLock { $0 = 0 }
                #expect(await scene.ask("a").hasPrefix("HTTP/1.1 200"))
                #expect(starts.withLock { $0 } == 1)
            }
        }
        await device.close()
    }

    @Test("A bad update of a resting slot leaves it resting with what it had")
    func badUpdateWhileResting() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let good = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let bad = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/crash-lora.gguf"))
        let residency = SlotResidency(idleSeconds: 1)
        try await Scene.run(device, budget: nil) { scene in
            try await scene.apply(1, ["a": Scene.wanted(good, generation: 1, residency)])
            try await scene.until("it rests") { await scene.activity("a")?.rest != nil }
            let wanted = [try SlotName("a"): Scene.wanted(bad, generation: 2, residency)]
            await scene.agent.apply(device.assignment(number: 2, slots: wanted))
            try await scene.until("the update failed") {
                await scene.agent.snapshots().first?.record.override?.code == "engineExited"
            }
            try await scene.until("no engine runs") { try scene.engines("a").isEmpty }
            #expect(await scene.activity("a")?.rest != nil)
            #expect(await scene.ask("a").hasPrefix("HTTP/1.1 200"))
        }
        await device.close()
    }

    @Test("Where what always runs leaves no room, requests are refused at once, with the reason")
    func noRoom() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let slots = [
            "a": Scene.wanted(release, generation: 1, SlotResidency(start: .always)),
            "b": Scene.wanted(release, generation: 1),
        ]
        try await Scene.run(device, budget: 200) { scene in try await scene.apply(1, slots) }
        try await Scene.run(device, budget: 100) { scene in
            try await scene.until("a runs, b does not") {
                let rests = await scene.activity("b")?.rest != nil
                return try rests && scene.engines("a").count == 1 && scene.engines("b").isEmpty
            }
            let reply = await scene.ask("b")
            #expect(reply.hasPrefix("HTTP/1.1 503"), "\(reply)")
            #expect(reply.lowercased().contains("retry-after:") && reply.contains("slot_not_started"), "\(reply)")
            #expect(reply.contains("a always runs"), "\(reply)")
            #expect(await scene.ask("a").hasPrefix("HTTP/1.1 200"))
        }
        await device.close()
    }

    @Test("At the agent's start the higher priority has the room, whichever slot comes first")
    func priorities() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let names = ["a", "b", "c"]
        let slots = Dictionary(
            uniqueKeysWithValues: names.enumerated().map { index, name in
                (name, Scene.wanted(release, generation: 1, SlotResidency(priority: index)))
            })
        try await Scene.run(device, budget: 200) { scene in try await scene.apply(1, slots) }
        try await Scene.run(device, budget: 130) { scene in
            try await scene.until("b and c run, a rests") {
                let rests = await scene.activity("a")?.rest != nil
                return try rests && scene.engines("a").isEmpty && scene.engines("b").count == 1
                    && scene.engines("c").count == 1
            }
        }
        await device.close()
    }

    @Test(
        "A slot under load does not notice that another swaps, goes back, fails and crashes, with room or without",
        arguments: [nil, 130] as [Int64?])
    func undisturbed(_ budget: Int64?) async throws {
        let device = try await DeviceFixture(withEngine: true)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let second = try device.registry.publish(TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let bad = try device.registry.publish(TestRelease("clinic/triage/3.0.0", model: "tiny/crash-lora.gguf"))
        try await Scene.run(device, budget: budget) { scene in
            let steady = Scene.wanted(first, generation: 1)
            try await scene.apply(1, ["a": Scene.wanted(first, generation: 1), "b": steady])
            let pid = try #require(try scene.engines("b").first)
            let load = SteadyLoad(scene, slot: "b")
            for (number, release) in [(2, second), (3, first), (4, second)] as [(Int64, AssignedRelease)] {
                try await load.more(3)
                try await scene.apply(number, ["a": Scene.wanted(release, generation: number), "b": steady])
            }
            let wanted = [try SlotName("a"): Scene.wanted(bad, generation: 5), try SlotName("b"): steady]
            await scene.agent.apply(device.assignment(number: 5, slots: wanted))
            try await scene.until("3.0.0 failed in a") {
                await scene.agent.snapshots().first?.record.override?.code == "engineExited"
            }
            try await load.more(3)
            for _ in 0..<2 {
                try await scene.until("a serves") { try scene.engines("a").count == 1 }
                for engine in try scene.engines("a") { kill(engine, SIGKILL) }
                try await load.more(3)
            }
            #expect(await scene.ask("a").hasPrefix("HTTP/1.1 200"))
            await load.stop()
            #expect(load.failures == [])
            // The same engine all the time.
            #expect(try scene.engines("b") == [pid])
        }
        await device.close()
    }
}
