import MartletTypes
import RolloutEngine
import TestSupport

/// A random life of a rollout, with what must hold after each step.
struct RolloutHistory {
    private var generator: SeededGenerator
    private(set) var run: RolloutRun
    private var now = Timestamp(seconds: 1_000_000)
    private var numbers: [DeviceID: Int64] = [:]
    /// Everything that was told to the engine, for the replay.
    private(set) var log: [(event: RolloutEvent, time: Timestamp)] = []
    private let first: RolloutRun
    /// Old reports that may come again.
    private var old: [RolloutEvent] = []
    private(set) var promises = RolloutPromises()
    private(set) var broken: [String] = []
    private var strangers = 0

    init(seed: UInt64) throws {
        generator = SeededGenerator(seed: seed)
        promises.isClockSteady = generator.once(in: 3)
        let policy = try RandomPolicy.policy(&generator)
        let count = Int.random(in: 0...12, using: &generator)
        var candidates: [RolloutCandidate] = []
        for number in 0..<count { candidates.append(try Self.candidate("d\(number)", &generator)) }
        run = RolloutRun(
            id: try RolloutID("r-1"), target: [try ReleasePath("a/b/1.0.0")], policy: policy, candidates: candidates,
            seed: "\(seed)", now: now)
        first = run
    }

    private static func candidate(_ name: String, _ generator: inout SeededGenerator) throws -> RolloutCandidate {
        RolloutCandidate(
            device: try DeviceID(name),
            labels: try Labels(["ring": generator.pick("canary", "main"), "site": generator.pick("a", "b", "c")]),
            exclusion: generator.once(in: 15) ? .init(code: RolloutCode.held, message: "by bob") : nil)
    }

    /// Random events, then fair progress until the end.
    mutating func live() throws {
        send(.start(by: "ann"))
        for _ in 0..<Int.random(in: 0...60, using: &generator) {
            send(try randomEvent())
            if generator.once(in: 8) { try restart() }
        }
        for round in 0..<1_000 where !run.header.state.isFinal { finish(round) }
        if !run.header.state.isFinal {
            let open = run.members.filter { !$0.state.isFinal }
            broken.append("did not end: \(run.header.state), \(run.header.phase), \(run.header.reason), \(open)")
        }
        broken += promises.broken
        replay()
    }

    /// What a patient operator and registry do: measure when asked, tick when something is due, decide when asked.
    /// After
    /// a while they are late each time, so that days of waiting pass in few rounds.
    private mutating func finish(_ round: Int) {
        if run.header.state == .paused { send(.resume(by: "ann", reason: "")) }
        if run.header.phase == .confirming { send(.confirm(by: "ann", reason: "")) }
        let due = [run.nextTick, run.nextMeasurement].compactMap(\.self).min()
        now = max(now + .seconds(round < 200 ? 0 : 3600) + .milliseconds(1), due ?? now + .seconds(61))
        if let next = run.nextMeasurement, next <= now { send(.observed(observations())) }
        send(.tick)
    }

    private mutating func randomEvent() throws -> RolloutEvent {
        let device = run.members.randomElement(using: &generator)?.device
        switch Int.random(in: 0..<56, using: &generator) {
        case 0: return .pause(by: "ann", reason: "")
        case 1...3: return .resume(by: "ann", reason: "")
        case 4: return generator.once(in: 6) ? .abort(by: "ann", reason: "") : .tick
        case 5: return generator.once(in: 4) ? .rollback(by: "ann", reason: "x") : .tick
        case 6: return device.map { .deviceGone($0) } ?? .tick
        case 7: return device.map { .devicesSuperseded([$0], by: "r-2") } ?? .tick
        case 8: return generator.once(in: 8) ? .superseded(by: "r-2") : .tick
        case 9: return old.randomElement(using: &generator) ?? .tick
        case 10: return jump()
        case 11...16:
            now = now + .milliseconds(Int64.random(in: 0...40_000, using: &generator))
            return .tick
        case 17...19: return .observed(observations())
        case 20, 21: return .confirm(by: "ann", reason: "")
        case 22: return .retry(by: "ann", devices: device.map { generator.once(in: 2) ? [] : [$0] } ?? [])
        case 23: return device.map { .deviceHeld($0, code: RolloutCode.pinned, by: "bob") } ?? .tick
        case 24: return device.map { .deviceReleased($0) } ?? .tick
        case 25:
            strangers += 1
            return .joined([try Self.candidate("n\(strangers)", &generator)])
        default: return device.map { report($0) } ?? .tick
        }
    }

    private mutating func jump() -> RolloutEvent {
        if !promises.isClockSteady { now = now + .seconds(Int64.random(in: -50_000...50_000, using: &generator)) }
        return .tick
    }

    private mutating func report(_ device: DeviceID) -> RolloutEvent {
        let good: [DeviceRolloutState] = [.downloading, .soaking, .succeeded, .succeeded, .succeeded]
        let states = generator.once(in: 2) ? good : DeviceRolloutState.allCases
        let state = states.randomElement(using: &generator) ?? .succeeded
        let offset = Int64(generator.pick(0, 0, 0, 0, -1, 1))
        let isWaiting = state == .offered && generator.once(in: 4)
        let code = isWaiting ? UpdateConditions.waitingCode : generator.pick("network", "probeFailed", "policyRefused")
        var report = RolloutEvent.DeviceReport(
            device: device, generation: (numbers[device] ?? 0) + offset, state: state, code: code)
        if generator.once(in: 5) {
            report.evaluation = EvaluationResult(
                rows: 20, correct: Int.random(in: 10...20, using: &generator), failed: 0, medianMilliseconds: 1)
        }
        old.append(.reported(report))
        return .reported(report)
    }

    /// What some devices measured; often too little.
    private mutating func observations() -> [DeviceObservation] {
        run.members.compactMap { member in
            guard generator.once(in: 2) else { return nil }
            let side: DeviceObservation.Side =
                member.state == .succeeded || generator.once(in: 10)
                ? generator.pick(.candidate, .candidate, .previous) : .baseline
            var values: [RolloutMetric: DeviceObservation.Measurement] = [:]
            for metric in RolloutMetric.allCases where generator.once(in: 2) {
                values[metric] = .init(
                    value: Double.random(in: 0...1, using: &generator),
                    samples: Int.random(in: 0...60, using: &generator))
            }
            return DeviceObservation(device: member.device, side: side, group: generator.pick("x", "y"), values: values)
        }
    }

    private mutating func send(_ event: RolloutEvent) {
        var queue = handle(event)
        while !queue.isEmpty {
            switch queue.removeFirst() {
            case .assign(let device), .restore(let device):
                if generator.once(in: 30) { continue }  // lost: to be asked for again
                if generator.once(in: 30) {
                    queue += handle(.refused(device, code: "conflict", message: "blocked"))
                    continue
                }
                numbers[device, default: 0] += 1
                queue += handle(.assigned(device, generation: numbers[device] ?? 0))
            case .record: break
            }
        }
    }

    private mutating func handle(_ event: RolloutEvent) -> [RolloutCommand] {
        let before = run
        log.append((event, now))
        promises.beginStep()
        let commands = run.handle(event, now: now)
        promises.check(before: before, after: run, commands, event, now: now)
        return commands
    }

    /// The registry stops and starts again: only what is saved is left.
    private mutating func restart() throws {
        let loaded = try JSONText.decode(RolloutRun.self, from: try JSONText.encode(run))
        if loaded != run { broken.append("was saved and loaded as something else") }
        if loaded.counts != run.counts || loaded.outcomes != run.outcomes || loaded.inFlight != run.inFlight
            || loaded.waves != run.waves
        {
            broken.append("counts something else after a restart")
        }
        run = loaded
    }

    private mutating func replay() {
        var again = first
        for (event, time) in log { _ = again.handle(event, now: time) }
        if again != run { broken.append("a replay of the log gives another state") }
    }
}

/// Policies of all kinds.
enum RandomPolicy {
    static func policy(_ generator: inout SeededGenerator) throws -> RolloutPolicy {
        RolloutPolicy(
            waves: try waves(&generator), membership: generator.pick(.frozen, .dynamic),
            order: generator.once(in: 3) ? [try LabelSelector("ring=canary")] : [],
            maxFailures: generator.pick(nil, 0, 1, 2), thresholds: thresholds(&generator), gates: gates(&generator),
            maxInFlight: generator.pick(nil, 1, 2, 5), rate: rate(&generator), deviceDeadlineSeconds: 60,
            retry: RolloutRetry(
                attempts: generator.pick(0, 0, 1, 2), backoffSeconds: 5, maxBackoffSeconds: 15,
                causes: generator.pick([], [], ["timedOut", "silent"])),
            onFailure: generator.pick(.pause, .stop, .rollbackWave, .rollbackAll))
    }

    private static func waves(_ generator: inout SeededGenerator) throws -> [RolloutWave] {
        var waves: [RolloutWave] = generator.pick(
            [], [.count(1)], [.count(1), .percent(50)], [.percent(10), .count(4)],
            [RolloutWave(selector: try LabelSelector("site=a")), .percent(80)])
        for index in waves.indices {
            if generator.once(in: 3) { waves[index].soakSeconds = 30 }
            if generator.once(in: 4) { waves[index].confirm = true }
        }
        return waves
    }

    private static func thresholds(_ generator: inout SeededGenerator) -> [FailureThreshold] {
        guard generator.once(in: 3) else { return [] }
        return [
            FailureThreshold(
                outcomes: generator.pick([.failed, .timedOut], [.failed, .unreachable], [.failed]),
                causes: generator.pick([], [], ["network"]), maxShare: generator.pick(0, 0.2, 0.5),
                minCompleted: generator.pick(1, 3), confidence: generator.pick(0.5, 0.9),
                onFailure: generator.pick(nil, .stop, .rollbackAll))
        ]
    }

    private static func gates(_ generator: inout SeededGenerator) -> [RolloutGatePolicy] {
        guard generator.once(in: 2) else { return [] }
        return RolloutMetric.allCases.filter { _ in generator.once(in: 5) }.map { metric in
            let isCompared = generator.once(in: 2)
            return RolloutGatePolicy(
                metric: metric, max: isCompared ? nil : generator.pick(nil, 0.6, 2), min: generator.pick(nil, nil, 0.2),
                baseline: isCompared ? .init(tolerance: generator.pick(1.2, 0.5, 2)) : nil,
                minDevices: generator.pick(1, 1, 3), intervalSeconds: generator.pick(10, 60),
                failureLimit: generator.pick(0, 1), inconclusiveLimit: generator.pick(0, 2),
                onFailure: generator.pick(nil, .rollbackWave))
        }
    }

    private static func rate(_ generator: inout SeededGenerator) -> RolloutRate? {
        guard generator.once(in: 3) else { return nil }
        return RolloutRate(
            perMinute: generator.pick(1, 5, 30), growth: generator.pick(1, 2), growAfter: generator.pick(1, 2),
            maxPerMinute: generator.pick(nil, 20))
    }
}
