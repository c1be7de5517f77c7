import MartletAPI
import MartletTypes
import RolloutView
import Testing

@Suite("Plans and explanations in words")
struct PlanTextTests {
    @Test("a plan names waves, devices, who is passed over, gates and how long it takes at least")
    func plan() throws {
        let policy = RolloutPolicy(
            waves: [RolloutWave(size: .count(1), soakSeconds: 1800, confirm: true)],
            thresholds: [FailureThreshold(maxShare: 0.05, minCompleted: 10, onFailure: .stop)],
            gates: [
                RolloutGatePolicy(metric: .timePerOutputToken, baseline: .init(tolerance: 1.2), minDevices: 3),
                RolloutGatePolicy(metric: .evaluationAccuracy, min: 0.9),
                RolloutGatePolicy(metric: .memoryUsed, max: 1e9),
            ],
            rate: RolloutRate(perMinute: 10, growth: 2, growAfter: 5), shadow: ShadowPolicy(), onFailure: .rollbackAll)
        let names = try (0..<12).map { try DeviceID("pi-\($0)") }
        let plan = RolloutPlan(
            waves: [
                .init(devices: [names[0]], size: .count(1), soakSeconds: 1800, confirm: true),
                .init(devices: Array(names[1...]), soakSeconds: 99, confirm: true),
            ],
            skipped: [.init(device: try DeviceID("pi-99"), code: "pinned", reason: "slot triage is pinned by ann")],
            conditions: UpdateConditions(
                windows: [MaintenanceWindow(days: [1, 2, 3, 4, 5], startMinute: 1320, minutes: 420)], idleSeconds: 60,
                onMains: true, belowCelsius: 70, jitterSeconds: 600, bytesPerSecond: 2_000_000),
            maxInFlight: 20, leastSeconds: 5400, supersedes: [try RolloutID("r-0")])
        let text = PlanText(plan, policy).lines.joined(separator: "\n")
        for part in [
            "wave 1  1 device, up to 1; then soaks 30m, waits until a person confirms\n  pi-0\n",
            "wave 2  11 devices\n  pi-1, ", " and 1 more",
            "Passed over (1)\n  pi-99  pinned: slot triage is pinned by ann",
            "time_per_output_token.p50 at most × 1.20, every 1m, from 3 devices on",
            "eval.accuracy at least 90%", "memory.used at most 953.7 MiB",
            "at most 5% failed, timedOut, from 10 devices on; else it ends", "no device may fail",
            "begin mon-fri 22:00-05:00, by their own clocks", "switch after 1m without a request", "on mains power",
            "below 70 °C", "a random wait up to 10m", "at most 2MB/s", "10% of live requests shadowed, to 50 answers",
            "At most 20 at work at once; 10 started a minute, × 2 after each 5 successes; takes at least 1h30m",
            "Takes devices over from r-0.", "On failure: every moved device goes back.",
        ] { #expect(text.contains(part), "\(part)\n\(text)") }
    }

    @Test("a plan that moves nobody says so")
    func nobody() {
        let lines = PlanText(RolloutPlan(waves: []), RolloutPolicy()).lines
        #expect(lines.first == "No device would be moved.")
    }

    @Test("an explanation begins with the answer and names who decided what")
    func explanation() throws {
        let begin = RolloutScene.begin
        let device = try RolloutScene.device(7, .offered, wave: 1, code: "waiting", message: "for mains", after: 10)
        let move = DeviceMove(
            number: 4, time: begin, slot: try SlotName("triage"), releases: [try ReleasePath("clinic/triage/2.0.0")],
            rollout: try RolloutID("r-1"), actor: "ann", reason: "wave 2")
        var explanation = RolloutExplanation(
            id: try RolloutID("r-1"), state: .running,
            because: ["It waits for 1 device.", "That one is not on mains."],
            decisions: [.init(time: begin, action: "start", reason: "8 devices in 2 waves")],
            gates: [RolloutScene.gate("passed", value: 0.041, baseline: 0.04, effect: 1.025)], waiting: [device])
        let now = begin + .seconds(70)
        let whole = ExplanationText(explanation, now: now).lines.joined(separator: "\n")
        #expect(whole.hasPrefix("It waits for 1 device.\nThat one is not on mains.\n"))
        for part in [
            "pi-7  wave 2  offered for 1m00s  waiting: for mains", "start  8 devices in 2 waves", "✓ time_per",
        ] {
            #expect(whole.contains(part), "\(part)\n\(whole)")
        }
        explanation.part = .init(
            device: device, online: false, lastSeen: begin, pin: Exemption(reason: "study", by: "bob", since: begin),
            moves: [move])
        let one = ExplanationText(explanation, now: now).lines.joined(separator: "\n")
        for part in [
            "offline, last heard of 1m10s ago", "pinned by bob: study",
            "clinic/triage:2.0.0  by ann, rollout r-1: wave 2",
        ] { #expect(one.contains(part), "\(part)\n\(one)") }
    }
}
