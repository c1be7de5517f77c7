import MartletTypes
import RolloutEngine
import Testing

@Suite("The end of a rollout")
struct RolloutEndTests {
    @Test(
        "The last wave leaves nothing to confirm: where nobody in it came to serve the target, the rollout is over",
        arguments: [
            (["skipped"], RolloutCause.noneSucceeded), (["skipped", "skipped"], .noneSucceeded),
            (["skipped", "away"], .noneSucceeded), (["skipped", "refused"], .noneSucceeded),
            (["succeeded", "skipped"], .completed), (["succeeded", "away", "refused"], .completed),
        ])
    func lastWave(_ outcomes: [String], _ cause: RolloutCause) throws {
        var fixture = try RolloutFixture(
            outcomes.count,
            RolloutPolicy(waves: [RolloutWave(size: .percent(100), confirm: true)], deviceDeadlineSeconds: 60))
        fixture.send(.start(by: "ann"))
        for (device, outcome) in zip(fixture.assigned, outcomes) {
            switch outcome {
            case "succeeded": fixture.report(device, .succeeded)
            case "skipped": fixture.report(device, .skipped, code: "noVariantFits")
            case "refused": fixture.report(device, .failed, code: "policyRefused")
            default: break
            }
        }
        if outcomes.contains("away") { fixture.pass(seconds: 60) }
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.run.header.cause == cause)
        #expect(!fixture.decisions.contains { $0.action == .awaitConfirmation || $0.action == .pause })
        #expect(fixture.run.succeeded == outcomes.count { $0 == "succeeded" })
    }

    @Test("A wave all of whose devices are skipped pauses for a person where another one follows, and not after it")
    func skippedWave() throws {
        var fixture = try RolloutFixture(3, RolloutPolicy(waves: [.count(1)]))
        fixture.send(.start(by: "ann"))
        fixture.report(fixture.assigned[0], .skipped, code: "noVariantFits")
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.cause == .nothingKnown)
        fixture.send(.resume(by: "bob", reason: ""))
        #expect(fixture.assigned.count == 3)
        for device in fixture.assigned.dropFirst() { fixture.report(device, .skipped, code: "noVariantFits") }
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.run.header.cause == .noneSucceeded)
    }
}
