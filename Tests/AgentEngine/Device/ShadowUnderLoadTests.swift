import AgentEngine
import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import ModelRuntime
import Synchronization
import Telemetry
import TestSupport
import Testing
import Trust

@Suite("Shadowing under load, with real engines", .serialized)
struct ShadowUnderLoadTests {
    private final class Heard: Sendable {
        let answers = Mutex<Set<String>>([])
        let bad = Mutex<[String]>([])
    }

    private static let policy = ShadowPolicy(
        sharePermille: 1000, comparison: .label, samples: 12, maxSeconds: 600, minAgreementPermille: 950)

    private static let prompts = [
        "I was charged twice zebra", "Where is my parcel quagga", "Please cancel it okapi", "I cannot log in gnu",
    ]

    private func assignment(
        _ device: DeviceFixture, _ number: Int64, _ release: AssignedRelease, _ shadow: ShadowPolicy?
    ) -> Assignment {
        device.assignment(
            number: number,
            slots: [
                device.slot: SlotAssignment(
                    releases: [release], settings: SlotSettings(contextTokens: 256, threads: 1), generation: number,
                    update: UpdatePolicy(soakSeconds: 0, shadow: shadow))
            ])
    }

    @Test("one that answers alike is taken, one that does not is refused here; no word of it is sent, no request fails")
    func shadow() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let same = try device.registry.publish(TestRelease("clinic/triage/1.0.1", probes: [Probe(prompt: "hello")]))
        let other = try device.registry.publish(TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let agent = device.agent()
        let heard = Heard()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await agent.run() }
            group.addTask { try await device.gateway.run() }
            let port = try await device.gateway.boundPort
            await agent.apply(assignment(device, 1, first, Self.policy))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            let load = Task { await Self.ask(port, heard) }
            await agent.apply(assignment(device, 2, same, Self.policy))
            let taken = try await device.eventually("1.0.1 is committed") { $0.current?.assigned == 2 }
            let agreement = try #require(taken.figures.shadow)
            #expect(agreement.compared == 12 && agreement.agreed == 12 && agreement.failed == 0)
            #expect(agreement.candidateTokenMilliseconds ?? 0 > 0 && agreement.liveTokenMilliseconds ?? 0 > 0)
            await agent.apply(assignment(device, 3, other, Self.policy))
            let refused = try await device.eventually("2.0.0 is refused") { $0.override != nil }
            #expect(refused.override?.code == "shadowDisagreed" && refused.current?.assigned == 2)
            load.cancel()
            await load.value
            group.cancelAll()
        }
        #expect(heard.bad.withLock { $0 } == [])
        let reports = try await device.reports()
        // The first had nothing to be compared with, and says so.
        #expect(reports.first { $0.code == "shadowNotPossible" }?.generation == 1)
        let refusal = try #require(reports.first { $0.code == "shadowDisagreed" })
        #expect(refusal.state == .failed && refusal.figures?.shadow != nil)
        try await checkSecrecy(device, heard.answers.withLock { $0 })
        await device.close()
    }

    /// All that an agent sends: its reports, and what it measured.
    private func checkSecrecy(_ device: DeviceFixture, _ answers: Set<String>) async throws {
        let export = OTLP.MetricsRequest(
            device: device.device, agentVersion: "1", profile: "p", intervals: await device.gateway.takeMeasurements(),
            samples: [])
        let bodies = try await device.store.journal.reports(limit: 1000).map(\.body) + [JSONText.encode(export)]
        #expect(bodies.count > 5 && !answers.isEmpty)
        for body in bodies {
            let text = String(decoding: body, as: UTF8.self)
            for animal in ["zebra", "quagga", "okapi", "gnu", "charged", "parcel"] { #expect(!text.contains(animal)) }
            for answer in answers where answer.count > 3 { #expect(!text.contains("\"\(answer)\""), "\(text)") }
        }
    }

    private static func ask(_ port: Int, _ heard: Heard) async {
        var number = 0
        while !Task.isCancelled {
            number += 1
            let body =
                #"{"model":"triage","max_tokens":6,"temperature":0,"messages":[{"role":"system","content":"intent?"},"#
                + #"{"role":"user","content":"\#(prompts[number % prompts.count])"}]}"#
            let reply = await TinyHTTPClient.post(port: port, path: "/v1/chat/completions", body: body)
            guard reply.hasPrefix("HTTP/1.1 200") else {
                if !Task.isCancelled { heard.bad.withLock { $0.append(reply) } }
                continue
            }
            guard let start = reply.firstRange(of: #""content":""#)?.upperBound else { continue }
            let answer = String(reply[start...].prefix { $0 != "\"" })
            heard.answers.withLock { _ = $0.insert(answer) }
        }
    }
}
