import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// `martlet rollout watch` beside a real registry and simulated devices.
@Suite("Watching a rollout", .serialized)
struct WatchTests {
    private static let policy = """
        target: {fleet: all, slot: triage}
        waves:
          - {size: 2, confirm: true}
        soak: 1s
        """

    /// A fleet of six whose first wave is through: the rollout waits for a person.
    private func site(_ name: String, _ body: (Site, RolloutID) async throws -> Void) async throws {
        try await Site.ready(name) { site in
            try await site.publishTiny("1.0.0")
            let fleet = try await site.startFleet(6, "timeScale: 30")
            try await site.martlet("fleets", "set", "all", "--selector", "")
            let file = site.folder.file("policy.yaml")
            try Self.policy.write(toFile: file, atomically: true, encoding: .utf8)
            let start = try await site.martlet(
                ["rollout", "start", "clinic/triage:1.0.0", "--policy", file, "--wait"], expecting: 75)
            #expect(start.errors.contains("rollout confirm"), "\(start)")
            let rollouts = try await site.json([RolloutInfo].self, "rollout", "list")
            try await body(site, try #require(rollouts.first).id)
            _ = try await fleet.stop()
        }
    }

    /// `martlet rollout watch ID --stay`, whose lines go to a file.
    private func watch(_ site: Site, _ rollout: RolloutID) throws -> RunningProcess {
        try RunningProcess(
            Checkout.product("martlet"), ["rollout", "watch", rollout.text, "--stay"],
            environment: site.operatorEnvironment, log: site.folder.file("watch.log"))
    }

    @Test("it goes by the registry's stream of events, also after the registry was killed and is back")
    func live() async throws {
        try await site("live") { site, rollout in
            let watch = try watch(site, rollout)
            try await eventually(within: 60, "what was is told") { watch.output.contains("awaitConfirmation: ") }
            try await site.killRegistry()
            try await eventually(within: 60, "it is told that the registry is away") {
                watch.output.contains("The registry is away")
            }
            try await site.startRegistry()
            try await site.martlet("rollout", "confirm", rollout.text, "--reason", "two are happy")
            #expect(try await watch.exitCode(within: 120) == 0, "\(watch.output)")
            let lines = watch.output.split(separator: "\n")
            #expect(lines.count { $0.hasPrefix("start: ") } == 1, "\(watch.output)")
            #expect(lines.count { $0.hasPrefix("confirm: ") && $0.contains("two are happy") } == 1, "\(watch.output)")
            #expect(lines.last?.hasPrefix("Rollout \(rollout) completed: 6 succeeded") == true, "\(watch.output)")
            #expect(!watch.output.contains("stream of events"), "nothing was missed: \(watch.output)")
        }
    }
}
