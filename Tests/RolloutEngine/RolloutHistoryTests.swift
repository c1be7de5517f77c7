import Foundation
import MartletTypes
import RolloutEngine
import Testing

/// A small generator with a seed, so that a failing history can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &+ 0x9E37_79B9_7F4A_7C15 }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// What must hold after each step, whatever happened.
enum RolloutPromises {
    /// The promises that the step from `before` to `after` broke.
    static func broken(
        before: RolloutRun, after run: RolloutRun, _ commands: [RolloutCommand], _ event: RolloutEvent
    ) -> [String] {
        var broken: [String] = []
        let inFlight = run.members.filter(\.isInFlight).count
        if inFlight > run.header.policy.maxInFlight ?? .max { broken.append("\(inFlight) in flight after \(event)") }
        for case .assign(let device) in commands {
            guard let member = run.member(device) else {
                broken.append("assigned a stranger")
                continue
            }
            if run.members.contains(where: { $0.wave < member.wave && !$0.state.isFinal }) {
                broken.append("wave \(member.wave) began before the end of those before it")
            }
            let failures = run.members.filter(\.hasFailed).count - run.header.acceptedFailures
            if event != .tick, failures > run.header.policy.maxFailures {
                broken.append("assigned \(device) past a failed gate")
            }
            if member.takenBy != nil { broken.append("assigned \(device), which is taken") }
            if before.header.state != .running, !mayAssignWhenStopped(event) {
                broken.append("assigned while \(before.header.state)")
            }
        }
        for case .restore(let device) in commands where run.member(device)?.takenBy != nil {
            broken.append("restored \(device), which is taken")
        }
        let isExplained = commands.contains { if case .record = $0 { true } else { false } }
        if run.header.state != before.header.state, !isExplained {
            broken.append("\(before.header.state) → \(run.header.state) without a reason")
        }
        return broken
    }

    private static func mayAssignWhenStopped(_ event: RolloutEvent) -> Bool {
        switch event {
        case .start, .resume, .tick: true
        default: false
        }
    }
}

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
    private(set) var broken: [String] = []

    init(seed: UInt64) throws {
        generator = SeededGenerator(seed: seed)
        let count = Int.random(in: 0...12, using: &generator)
        let waves: [[RolloutPolicy.WaveSize]] = [
            [], [.count(1)], [.count(1), .percent(50)], [.percent(10), .count(4)],
        ]
        let policy = RolloutPolicy(
            waves: waves.randomElement(using: &generator) ?? [],
            maxFailures: Int.random(in: 0...2, using: &generator),
            maxInFlight: [nil, 1, 2, 5].randomElement(using: &generator) ?? nil, deviceDeadlineSeconds: 60,
            onFailure: Bool.random(using: &generator) ? .pause : .rollback)
        run = RolloutRun(
            id: try RolloutID("r-1"), target: [try ReleasePath("a/b/1.0.0")], policy: policy,
            members: try (0..<count).map { try DeviceID("d\($0)") }, seed: "\(seed)", now: now)
        first = run
    }

    /// Random events, then fair progress until the end.
    mutating func live() throws {
        send(.start(by: "ann"))
        for _ in 0..<Int.random(in: 0...60, using: &generator) {
            send(randomEvent())
            if Int.random(in: 0..<8, using: &generator) == 0 { try restart() }
        }
        for _ in 0..<200 where !run.header.state.isFinal {
            if run.header.state == .paused { send(.resume(by: "ann", reason: "")) }
            now = now + .seconds(61)
            send(.tick)
        }
        if !run.header.state.isFinal { broken.append("did not end: \(run.header.state) \(run.header.reason)") }
        replay()
    }

    private mutating func randomEvent() -> RolloutEvent {
        let device = run.members.randomElement(using: &generator)?.device
        switch Int.random(in: 0..<40, using: &generator) {
        case 0: return .pause(by: "ann", reason: "")
        case 1...3: return .resume(by: "ann", reason: "")
        case 4: return Int.random(in: 0..<4, using: &generator) == 0 ? .abort(by: "ann", reason: "") : .tick
        case 5: return Int.random(in: 0..<3, using: &generator) == 0 ? .rollback(by: "ann", reason: "x") : .tick
        case 6: return device.map { .deviceGone($0) } ?? .tick
        case 7: return device.map { .deviceSuperseded($0, by: "r-2") } ?? .tick
        case 8: return Int.random(in: 0..<6, using: &generator) == 0 ? .superseded(by: "r-2") : .tick
        case 9: return old.randomElement(using: &generator) ?? .tick
        case 10:
            now = now + .seconds(Int64.random(in: -5_000...5_000, using: &generator))
            return .tick
        case 11...15:
            now = now + .seconds(Int64.random(in: 0...40, using: &generator))
            return .tick
        default:
            guard let device else { return .tick }
            let state = DeviceRolloutState.allCases.randomElement(using: &generator) ?? .succeeded
            let offset = Int64([0, 0, 0, 0, -1, 1].randomElement(using: &generator) ?? 0)
            let report = RolloutEvent.reported(
                .init(device: device, generation: (numbers[device] ?? 0) + offset, state: state, code: "c"))
            old.append(report)
            return report
        }
    }

    private mutating func send(_ event: RolloutEvent) {
        var queue = handle(event)
        while !queue.isEmpty {
            switch queue.removeFirst() {
            case .assign(let device), .restore(let device):
                if Int.random(in: 0..<30, using: &generator) == 0 { continue }  // lost: to be asked for again
                if Int.random(in: 0..<30, using: &generator) == 0 {
                    queue += handle(.refused(device, code: "conflict", message: "blocked"))
                    continue
                }
                numbers[device, default: 0] += 1
                queue += handle(.assigned(device, generation: numbers[device] ?? 0))
            case .record(let decision):
                if decision.reason.isEmpty { broken.append("\(decision.action) has no reason") }
            }
        }
    }

    private mutating func handle(_ event: RolloutEvent) -> [RolloutCommand] {
        let before = run
        log.append((event, now))
        let commands = run.handle(event, now: now)
        broken += RolloutPromises.broken(before: before, after: run, commands, event)
        return commands
    }

    /// The registry stops and starts again: only what is saved is left.
    private mutating func restart() throws {
        let saved = try JSONText.encode(run)
        let loaded = try JSONText.decode(RolloutRun.self, from: saved)
        if loaded != run { broken.append("was saved and loaded as something else") }
        run = loaded
    }

    private mutating func replay() {
        var again = first
        for (event, time) in log { _ = again.handle(event, now: time) }
        if again != run { broken.append("a replay of the log gives another state") }
    }
}

@Suite("Random histories of rollouts")
struct RolloutHistoryTests {
    @Test("keep every promise: the limit in flight, the gates, an end, a reason for all, equal replays")
    func histories() throws {
        let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
        let start = UInt64.random(in: 0...1_000_000_000)
        for seed in start..<start + UInt64(3_000 * scale) {
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
        let narrow = try started(RolloutPolicy(maxInFlight: 1))
        let tooMany = RolloutRun(header: narrow.header, members: try started(RolloutPolicy()).members)
        #expect(RolloutPromises.broken(before: narrow, after: narrow, [], .tick).isEmpty)
        #expect(!RolloutPromises.broken(before: narrow, after: tooMany, [], .tick).isEmpty)
        var stopped = narrow
        _ = stopped.handle(.pause(by: "ann", reason: ""), now: now)
        #expect(!RolloutPromises.broken(before: narrow, after: stopped, [], .tick).isEmpty)
        let waves = try started(RolloutPolicy(waves: [.count(1)]))
        let early = RolloutCommand.assign(waves.members[1].device)
        #expect(!RolloutPromises.broken(before: waves, after: waves, [early], .tick).isEmpty)
    }
}
