import ArgumentParser
import Glibc
import MartletTypes
import RolloutEngine

/// Measures the rollout engine alone; not a product.
@main
struct RolloutBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollout-bench",
        abstract: "Live through a rollout of many devices; print times and memory as JSON.")

    @Option(help: "How many devices take part.") var devices: Int

    func run() throws {
        var life = try BenchedRollout(devices: devices)
        try life.live()
        print(String(decoding: try JSONText.encode(life.result), as: UTF8.self))
    }
}

/// What was measured.
struct BenchResult: Encodable {
    /// Planning the waves and making the draft.
    var planMilliseconds = 0.0
    /// One event of a device's way through the rollout, with what follows from it.
    var eventMicroseconds = 0.0
    /// A tick in the middle of the rollout, with every device of the wave at work: median and longest.
    var tickMicroseconds = 0.0
    var longestTickMilliseconds = 0.0
    /// From the event `rollback` until every restore was asked for.
    var rollbackMilliseconds = 0.0
    /// Reading the rollout from what is saved: counting anew.
    var loadMilliseconds = 0.0
    /// Resident memory of the whole process with the rollout at work, less that before it was made.
    var bytesPerDevice = 0.0
    var events = 0
}

/// A rollout with one canary wave, one of a tenth, and the rest, in which every device takes four steps.
struct BenchedRollout {
    private var run: RolloutRun
    private var now = Timestamp(seconds: 1_000_000)
    private let watch = ContinuousClock()
    private var spent = Duration.zero
    private var ticks: [Duration] = []
    private var queue: [DeviceID] = []
    private(set) var result = BenchResult()

    init(devices: Int) throws {
        let before = Self.residentBytes()
        let policy = RolloutPolicy(
            waves: [.count(10), .percent(10)], maxFailures: nil,
            thresholds: [FailureThreshold(maxShare: 0.1)], gates: [RolloutGatePolicy(metric: .failureRate, max: 0.1)],
            retry: RolloutRetry(attempts: 1))
        let id = try RolloutID("r-bench")
        let target = [try ReleasePath("clinic/triage/2.0.0")]
        let start = watch.now
        let members = try (0..<devices).map { try DeviceID("box-\($0)") }
        run = RolloutRun(id: id, target: target, policy: policy, members: members, seed: "bench", now: now)
        result.planMilliseconds = Self.milliseconds(watch.now - start)
        _ = run.takeChanges()
        result.bytesPerDevice = Double(Self.residentBytes() - before) / Double(max(1, devices))
    }

    mutating func live() throws {
        send(.start(by: "bench"))
        while run.header.state == .running {
            let batch = queue
            queue = []
            for (number, device) in batch.enumerated() {
                for state in [DeviceRolloutState.downloading, .soaking] { report(device, state) }
                if number == batch.count / 2 { tick() }
                // One of a hundred fails and is tried again.
                report(device, number % 100 == 99 ? .failed : .succeeded)
            }
            tick()
            _ = run.takeChanges()
        }
        guard run.header.state == .completed else { throw ValidationError("The rollout ended as \(run.header.state).") }
        result.eventMicroseconds = Self.milliseconds(spent) * 1000 / Double(max(1, result.events))
        let sorted = ticks.sorted()
        result.tickMicroseconds = Self.milliseconds(sorted[sorted.count / 2]) * 1000
        result.longestTickMilliseconds = Self.milliseconds(sorted[sorted.count - 1])
        let header = run.header
        let members = run.members
        var start = watch.now
        let loaded = RolloutRun(header: header, members: members)
        result.loadMilliseconds = Self.milliseconds(watch.now - start)
        guard loaded.succeeded == run.succeeded else { throw ValidationError("A loaded rollout counts otherwise.") }
        start = watch.now
        send(.rollback(by: "bench", reason: "measured"))
        while let next = run.nextTick, next <= now { send(.tick) }
        result.rollbackMilliseconds = Self.milliseconds(watch.now - start)
    }

    private mutating func report(_ device: DeviceID, _ state: DeviceRolloutState) {
        guard let generation = run.member(device)?.generation else { return }
        let start = watch.now
        send(.reported(.init(device: device, generation: generation, state: state, code: nil)))
        spent += watch.now - start
        result.events += 1
    }

    private mutating func tick() {
        now = now + .seconds(1)
        let start = watch.now
        let commands = run.handle(.tick, now: now)
        ticks.append(watch.now - start)
        carryOut(commands)
        // Retries are due after a minute.
        if queue.isEmpty, run.header.state == .running { now = run.nextTick.map { max(now, $0) } ?? now }
    }

    private mutating func send(_ event: RolloutEvent) { carryOut(run.handle(event, now: now)) }

    /// Does what the registry does, without a registry.
    private mutating func carryOut(_ commands: [RolloutCommand]) {
        for command in commands {
            switch command {
            case .assign(let device):
                let attempt = run.member(device)?.attempts ?? 0
                _ = run.handle(.assigned(device, generation: Int64(attempt + 1)), now: now)
                queue.append(device)
            case .restore(let device): _ = run.handle(.assigned(device, generation: 100), now: now)
            case .record: break
            }
        }
    }

    private static func milliseconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) * 1000 + Double(duration.components.attoseconds) / 1e15
    }

    /// What the kernel counts as this process's memory now.
    private static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = fread(&bytes, 1, bytes.count, file)
        let fields = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(getpagesize())
    }
}
