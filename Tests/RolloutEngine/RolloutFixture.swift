import MartletTypes
import RolloutEngine

/// A rollout under test with the caller's side: it carries out commands as the registry does.
struct RolloutFixture {
    var run: RolloutRun
    var now = Timestamp(seconds: 1_000_000)
    /// The number that each device's assignment has reached.
    var numbers: [DeviceID: Int64] = [:]
    var decisions: [RolloutDecision] = []
    /// Devices in the order in which they were assigned, and taken back.
    var assigned: [DeviceID] = []
    var restored: [DeviceID] = []

    init(_ devices: Int, _ policy: RolloutPolicy = RolloutPolicy()) throws {
        let members = try (1...max(1, devices)).prefix(devices).map { try DeviceID("pi-\($0)") }
        try self.init(members.map { RolloutCandidate(device: $0) }, policy)
    }

    init(_ candidates: [RolloutCandidate], _ policy: RolloutPolicy) throws {
        run = RolloutRun(
            id: try RolloutID("r-1"), target: [try ReleasePath("clinic/triage/2.0.0")], policy: policy,
            candidates: candidates, seed: "triage", now: now)
    }

    /// Sends an event and carries out what follows.
    mutating func send(_ event: RolloutEvent) {
        var commands = run.handle(event, now: now)
        while !commands.isEmpty {
            let command = commands.removeFirst()
            switch command {
            case .assign(let device), .restore(let device):
                let number = (numbers[device] ?? 0) + 1
                numbers[device] = number
                if case .assign = command { assigned.append(device) } else { restored.append(device) }
                commands += run.handle(.assigned(device, generation: number), now: now)
            case .record(let decision): decisions.append(decision)
            }
        }
    }

    /// A report about the device's newest assignment.
    mutating func report(
        _ device: DeviceID, _ state: DeviceRolloutState, code: String? = nil, evaluation: EvaluationResult? = nil
    ) {
        send(
            .reported(
                RolloutEvent.DeviceReport(
                    device: device, generation: numbers[device] ?? 0, state: state, code: code,
                    evaluation: evaluation)))
    }

    /// Every device that is at work succeeds.
    mutating func succeed() {
        for member in run.members where member.isInFlight { report(member.device, .succeeded) }
    }

    /// Measures of one metric: the value of each candidate, and of its own previous generation or of other devices.
    mutating func observe(
        _ metric: RolloutMetric, _ candidates: [Double], previous: [Double] = [], baseline: [Double] = [],
        samples: Int = 100
    ) {
        let moved = run.members.filter(\.isMoved).map(\.device)
        let others = run.members.filter { !$0.isMoved }.map(\.device)
        func seen(_ devices: [DeviceID], _ side: DeviceObservation.Side, _ values: [Double]) -> [DeviceObservation] {
            zip(devices, values).map { device, value in
                DeviceObservation(
                    device: device, side: side, group: "pi", values: [metric: .init(value: value, samples: samples)])
            }
        }
        send(
            .observed(
                seen(moved, .candidate, candidates) + seen(moved, .previous, previous)
                    + seen(others, .baseline, baseline)))
    }

    mutating func pass(seconds: Int64) {
        now = now + .seconds(seconds)
        send(.tick)
    }

    /// Devices of a wave in their order.
    func wave(_ wave: Int) -> [DeviceID] { run.members.filter { $0.wave == wave }.map(\.device) }

    func state(_ device: DeviceID) -> DeviceRolloutState? { run.member(device)?.state }
    func actions() -> [RolloutDecision.Action] { decisions.map(\.action) }
}
