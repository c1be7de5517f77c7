import AgentEngine
import AgentStore
import MartletTypes
import TestSupport
import Testing

@Suite("Boot loops")
struct StartWatchTests {
    private func problems(_ store: AgentStore) -> DeviceProblems {
        let clock = AgentClock(signed: AgentClock.buildTime)
        return DeviceProblems(journal: store.journal, clock: clock, logger: AgentLog.silent)
    }

    private func start(_ store: AgentStore, calm: Duration = .seconds(3600)) async -> StartWatch {
        await StartWatch(journal: store.journal, problems: problems(store), logger: AgentLog.silent, calm: calm)
    }

    /// Opens a store that was closed: an engine of another test that is being started holds its lock for a moment.
    private func reopen(_ path: String) async throws -> AgentStore {
        let end = ContinuousClock.now + .seconds(120)
        while true {
            do {
                return try await AgentStore.open(root: path)
            } catch let error as AgentStoreError where error.reason == .alreadyRunning && ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    @Test("Five starts in a row that did not last make the sixth wary, and it says so")
    func loop() async throws {
        let folder = try TemporaryFolder("starts")
        for number in 1...8 {
            // What is counted must be on the disk before anything else is done: a new process reads it.
            let store = try await reopen(folder.path)
            let watch = await start(store)
            #expect(watch.starts == number)
            #expect((watch.caution != nil) == (number > 5), "start \(number)")
            if number == 8 { #expect(watch.caution?.contains("7 times in a row") == true) }
            await store.close()
        }
    }

    @Test("In a boot loop nothing is installed but another program of the agent, which may be what ends the loop")
    func exception() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let installer = ReleaseInstaller(
            store: device.store, link: device.link, trust: device.trust, clock: device.clock,
            policy: DeviceFixture.policy, hardware: device.hardware, weights: DeviceFixture.weights,
            caution: { "It ends again and again." })
        for (name, code) in [("triage", "agentRestarts"), (MartletVersion.agentSlot, "unsupportedKind")] {
            let record = SlotRecord(slot: try SlotName(name))
            await #expect {
                _ = try await installer.plan(device.target(release), record: record)
            } throws: {
                ($0 as? SlotFailure)?.code == code
            }
        }
        await device.close()
    }

    @Test("An agent that lasts ends the loop by itself, and tells it")
    func calm() async throws {
        let folder = try TemporaryFolder("starts")
        let store = try await AgentStore.open(root: folder.path)
        for _ in 1...6 { _ = await start(store) }
        let problems = problems(store)
        let watch = await StartWatch(
            journal: store.journal, problems: problems, logger: AgentLog.silent, calm: .milliseconds(50))
        #expect(watch.caution != nil)
        let task = Task { try await watch.run() }
        let end = ContinuousClock.now + .seconds(120)
        while watch.caution != nil, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        #expect(watch.caution == nil)
        while try await store.journal.reports(limit: 9).count < 2, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
        task.cancel()
        _ = await task.result
        let codes = try await store.journal.reports(limit: 9).map {
            try JSONValue(parsing: $0.body)["code"]?.string ?? ""
        }
        #expect(codes == ["agentRestarts", "agentSteady"])
        #expect(await problems.all().isEmpty)
        #expect(await start(store).starts == 1)
        await store.close()
    }

    @Test("One that is ended in the middle by a fault of its own counts")
    func fault() async throws {
        let folder = try TemporaryFolder("starts")
        let store = try await AgentStore.open(root: folder.path)
        let watch = await start(store)
        let task = Task { try await watch.run() }
        task.cancel()
        _ = await task.result
        #expect(await start(store).starts == 2)
        await store.close()
    }
}
