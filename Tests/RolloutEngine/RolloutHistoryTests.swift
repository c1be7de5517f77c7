import Foundation
import MartletTypes
import RolloutEngine
import Testing

@Suite("Random histories of rollouts")
struct RolloutHistoryTests {
    /// 4,000 in a quick run; 100,000 at the full counts.
    @Test("keep every promise: limits, rates, waves, gates, refusals, an end, a reason for all, equal replays")
    func histories() throws {
        let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
        let start = UInt64.random(in: 0...1_000_000_000)
        for seed in start..<start + UInt64(4_000 * scale) {
            var history = try RolloutHistory(seed: seed)
            try history.live()
            try #require(history.broken.isEmpty, "seed \(seed): \(history.broken.prefix(3))")
        }
    }

    @Test("would be found out if they broke a promise")
    func canary() throws {
        let now = Timestamp(seconds: 0)
        func started(_ policy: RolloutPolicy) throws -> RolloutRun {
            let members = try ["a", "b"].map { try DeviceID($0) }
            var run = RolloutRun(
                id: try RolloutID("r-1"), target: [], policy: policy, members: members, seed: "", now: now)
            _ = run.handle(.start(by: "ann"), now: now)
            return run
        }
        func broken(
            _ before: RolloutRun, _ after: RolloutRun, _ commands: [RolloutCommand] = [], _ event: RolloutEvent = .tick
        ) -> [String] {
            var promises = RolloutPromises()
            promises.check(before: before, after: after, commands, event, now: now)
            return promises.broken
        }
        let narrow = try started(RolloutPolicy(maxInFlight: 1))
        let tooMany = RolloutRun(header: narrow.header, members: try started(RolloutPolicy()).members)
        #expect(broken(narrow, narrow).isEmpty)
        #expect(!broken(narrow, tooMany).isEmpty)
        var stopped = narrow
        _ = stopped.handle(.pause(by: "ann", reason: ""), now: now)
        #expect(!broken(narrow, stopped).isEmpty)
        let waves = try started(RolloutPolicy(waves: [.count(1)]))
        #expect(!broken(waves, waves, [.assign(waves.members[1].device)]).isEmpty)
        #expect(!broken(waves, waves, [.restore(waves.members[1].device)]).isEmpty)
        let silent = RolloutDecision(time: now, action: .pause, reason: "")
        #expect(!broken(narrow, narrow, [.record(silent)]).isEmpty)
        var promises = RolloutPromises()
        var refusing = narrow
        let device = narrow.members[0].device
        _ = refusing.handle(.refused(device, code: "x", message: ""), now: now)
        promises.check(before: narrow, after: refusing, [], .refused(device, code: "x", message: ""), now: now)
        promises.check(before: narrow, after: refusing, [.assign(device)], .tick, now: now)
        #expect(promises.broken.contains { $0.contains("refused") })
    }
}
