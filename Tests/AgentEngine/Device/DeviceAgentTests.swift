import AgentStore
import Foundation
import Logging
import MartletAPI
import MartletTypes
import ModelRuntime
import TestSupport
import Testing
import Trust

@testable import AgentEngine

/// The whole device with a real engine; the registry is simulated.
@Suite("A device with real engines", .serialized)
struct DeviceAgentTests {
    private let seen = Array(
        (try? Data(contentsOf: URL(fileURLWithPath: Checkout.fixture("eval/tiny-eval-seen-42.jsonl")))) ?? Data())

    private func states(_ reports: [DeviceReport], of generation: Int64) -> [DeviceRolloutState] {
        reports.filter { $0.generation == generation }.compactMap(\.state)
    }

    @Test("A release is brought, proven and served; the next replaces it; going back fetches nothing")
    func story() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let first = try device.registry.publish(
            TestRelease(
                "clinic/triage/1.0.0", evaluation: seen, threshold: EvaluationThreshold(minAccuracy: 0.5, rows: 8)))
        let second = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf", probes: [Probe(prompt: "hello")]))
        let agent = device.agent()
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, first))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            #expect(
                states(try await device.reports(), of: 1)
                    == [.downloading, .verifying, .probing, .switching, .soaking, .succeeded])
            await agent.apply(device.assignment(number: 2, second))
            let record = try await device.eventually("2.0.0 is committed") { $0.current?.assigned == 2 }
            #expect(record.previous?.paths.map(\.text) == ["clinic/triage/1.0.0"])
            let asked = device.registry.seen.count
            await agent.apply(device.assignment(number: 3, first))
            try await device.eventually("1.0.0 is back") { $0.current?.assigned == 3 }
            #expect(device.registry.seen.count == asked)
            let reports = try await device.reports()
            // Known on this device: neither fetched nor evaluated again.
            #expect(states(reports, of: 3) == [.probing, .switching, .soaking, .succeeded])
            #expect(reports.last { $0.generation == 3 }?.figures?.bytesFetched == 0)
            #expect(await agent.snapshots().first?.serving == record.current.map { GenerationID($0.id.number + 1) })
        }
        await device.close()
    }

    @Test(
        "A bad release never serves, and the one before goes on",
        arguments: [("evaluation", "evaluationFailed"), ("probe", "probeFailed"), ("crash", "engineExited")])
    func bad(_ fault: String, _ code: String) async throws {
        let device = try await DeviceFixture(withEngine: true)
        let good = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var release = TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf")
        switch fault {
        case "evaluation":
            release.evaluation = seen
            release.threshold = EvaluationThreshold(minAccuracy: 1.0, rows: 20)
        case "probe": release.probes = [Probe(prompt: "hello", contains: "nothing ever says this")]
        // A sound file that no engine can load as a model.
        default: release.model = "tiny/crash-lora.gguf"
        }
        let wrong = try device.registry.publish(release)
        let agent = device.agent()
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, good))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            await agent.apply(device.assignment(number: 2, wrong))
            let record = try await device.eventually("2.0.0 has failed") { $0.phase == .failed }
            #expect(record.current?.paths.map(\.text) == ["clinic/triage/1.0.0"])
            #expect(record.override?.code == code)
            #expect(await agent.snapshots().first?.serving == record.current?.id)
            let report = try #require(try await device.reports().last { $0.generation == 2 })
            #expect(report.state == .failed && report.code == code)
            if fault == "evaluation" { #expect(report.figures?.evaluation?.rows == 20) }
        }
        await device.close()
    }

    @Test("A slot serves from disk after a restart without a registry, and its engine is started again when it dies")
    func restart() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var agent = device.agent()
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, release))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
        }
        device.registry.isAway = true
        let log = LogRing()
        agent = device.agent(logger: Logger(label: "test") { log.handler(StreamLogHandler.standardError(label: $0)) })
        try await running(agent) {
            try await serves(agent)
            try await reported("servingAgain", device)
            let again = try #require(try await device.reports().last { $0.code == "servingAgain" })
            #expect(again.figures?.unavailableMilliseconds != nil)
            // The engine is killed from outside.
            let pid = try #require(try EngineProcesses.pids(of: device).first)
            kill(pid, SIGKILL)
            try await reported("engineRestarted", device)
            #expect(log.last(100).contains { $0.text.contains("engineRestarted") })
            try await serves(agent)
        }
        await device.close()
    }

    @Test("A slot that is no longer assigned is emptied, with its blobs")
    func emptied() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let agent = device.agent()
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, release))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            await agent.apply(device.assignment(number: 2, slots: [:]))
            let end = ContinuousClock.now + .seconds(120)
            while ContinuousClock.now < end {
                if try await device.record() == nil, try await device.store.blobs.usage() == .zero { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(try await device.record() == nil)
            #expect(try await device.store.blobs.usage() == .zero)
            #expect(await agent.snapshots().isEmpty)
            #expect(try EngineProcesses.pids(of: device).isEmpty)
        }
        await device.close()
    }

    private func serves(_ agent: DeviceAgent) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while await agent.snapshots().first?.serving == nil, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(await agent.snapshots().first?.serving != nil)
    }

    private func reported(_ code: String, _ device: DeviceFixture) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while try await !device.reports().contains(where: { $0.code == code }), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(try await device.reports().contains { $0.code == code })
    }
}
