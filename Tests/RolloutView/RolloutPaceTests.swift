import MartletAPI
import MartletTypes
import RolloutView
import Testing

@Suite("Pace, news and ending of a rollout")
struct RolloutPaceTests {
    private func at(_ seconds: Int64) -> Timestamp { RolloutScene.begin + .seconds(seconds) }

    @Test("the end is estimated from the devices that came to one")
    func estimate() throws {
        let done = try (0..<30).map { try RolloutScene.device($0, .succeeded, after: Int64($0) * 10) }
        let open = try (30..<60).map { try RolloutScene.device($0, .pending) }
        let info = try RolloutScene.rollout(done + open, waves: 1, policy: RolloutPolicy())
        // 30 devices in 300 seconds: 6 a minute, 30 left.
        let pace = RolloutPace(info, now: at(300))
        #expect(pace.perMinute == 6)
        #expect(pace.end == at(600))
    }

    @Test("soaks that are still to come are added, and the registry's own estimate wins")
    func soaks() throws {
        let devices = [
            try RolloutScene.device(1, .succeeded, after: 30), try RolloutScene.device(2, .pending, wave: 1),
        ]
        let policy = RolloutPolicy(waves: [
            RolloutWave(size: .count(1), soakSeconds: 600), RolloutWave(size: .count(2), soakSeconds: 9999),
        ])
        var info = try RolloutScene.rollout(devices, policy: policy)
        #expect(RolloutPace(info, now: at(60)).end == at(60 + 60 + 600))
        info.estimatedEnd = at(77)
        #expect(RolloutPace(info, now: at(60)).end == at(77))
    }

    @Test(
        "where nobody can know, no end is told", arguments: ["paused", "confirming", "person", "nothing done", "over"])
    func unknown(why: String) throws {
        let done = try RolloutScene.device(1, why == "nothing done" ? .pending : .succeeded, after: 30)
        let waves = [RolloutWave(size: .count(1), confirm: why == "person"), RolloutWave(size: .count(2))]
        let states: [String: RolloutState] = ["paused": .paused, "over": .completed]
        var info = try RolloutScene.rollout(
            [done, try RolloutScene.device(2, .pending, wave: 1)], state: states[why] ?? .running,
            policy: RolloutPolicy(waves: waves))
        if why == "confirming" { info.phase = "confirming" }
        #expect(RolloutPace(info, now: at(60)).end == nil)
    }

    @Test("devices that ended long ago say nothing about the pace now")
    func window() throws {
        let done = try (0..<5).map { try RolloutScene.device($0, .succeeded, after: Int64($0)) }
        let info = try RolloutScene.rollout(done + [try RolloutScene.device(9, .pending)], waves: 1)
        #expect(RolloutPace(info, now: at(7200)).perMinute == nil)
    }

    static let spans: [(Int64, String)] = [
        (-5, "0s"), (8, "8s"), (192, "3m12s"), (3600, "1h00m"), (7500, "2h05m"), (273_600, "3d04h"),
    ]

    @Test("lengths of time are short", arguments: spans)
    func lengths(seconds: Int64, text: String) { #expect(Elapsed.text(.seconds(seconds)) == text) }

    @Test("how it ended decides what a script is told")
    func endings() throws {
        func ending(_ state: RolloutState, _ device: DeviceRolloutState, phase: String? = nil) throws -> RolloutEnding?
        {
            var info = try RolloutScene.rollout([try RolloutScene.device(1, device)], state: state, reason: "because")
            info.phase = phase
            return RolloutEnding.of(info)
        }
        #expect(try ending(.completed, .succeeded) == .completed)
        #expect(try ending(.running, .soaking) == nil)
        #expect(try ending(.rollingBack, .failed) == nil)
        for nobody in [DeviceRolloutState.skipped, .unreachable, .superseded, .failed] {
            guard case .failed(let why) = try ending(.completed, nobody) else {
                Issue.record("completed with \(nobody)")
                continue
            }
            #expect(why.contains("1 \(nobody.rawValue)"))
        }
        for state in [RolloutState.aborted, .rolledBack] {
            guard case .failed(let why) = try ending(state, .succeeded) else {
                Issue.record("\(state)")
                continue
            }
            #expect(why.contains("because"))
        }
        guard case .waitsForPerson = try ending(.paused, .failed) else { throw NeverHappens() }
        guard case .waitsForPerson = try ending(.running, .succeeded, phase: "confirming") else { throw NeverHappens() }
    }

    struct NeverHappens: Error {}

    @Test("each change is told once")
    func news() throws {
        var news = RolloutNews()
        var info = try RolloutScene.rollout([
            try RolloutScene.device(1, .pending), try RolloutScene.device(2, .pending),
        ])
        info.decisions = [.init(time: at(0), action: "start", reason: "2 devices")]
        #expect(news.take(info).map(\.kind) == ["decision", "wave"])
        #expect(news.take(info).isEmpty)
        info.devices = [
            try RolloutScene.device(1, .offered, code: "waiting", message: "for mains"),
            try RolloutScene.device(2, .pending),
        ]
        #expect(news.take(info).compactMap(\.line) == ["  pi-1: offered — waiting: for mains"])
        info.devices?[0] = try RolloutScene.device(1, .failed, code: "engineExited", message: "signal 9")
        info.gates = [RolloutScene.gate("inconclusive", value: nil, baseline: nil, effect: nil)]
        info.decisions?.append(.init(time: at(5), action: "pause", reason: "1 failed"))
        #expect(
            news.take(info).compactMap(\.line) == [
                "pause: 1 failed", "  pi-1: failed — engineExited: signal 9",
                "  gate time_per_output_token.p50: slower",
            ])
        #expect(news.take(info).isEmpty)
        #expect(RolloutNews.end(info).state == "running")
    }
}
