import MartletTypes
import RolloutEngine

/// What must hold after each step, whatever happened. It remembers what it takes to see that, independently of the
/// engine's own counts.
struct RolloutPromises {
    /// Whether the caller's clock has only ever run forward in small steps: only then can time be measured by it.
    var isClockSteady = true
    private(set) var broken: [String] = []
    /// Devices for which the target was refused.
    private var refused: Set<DeviceID> = []
    /// Gates that passed since the wave at work was through.
    private var passed: Set<RolloutMetric> = []
    private var starts: [Timestamp] = []
    private var highestRate = 0.0

    mutating func check(
        before: RolloutRun, after run: RolloutRun, _ commands: [RolloutCommand], _ event: RolloutEvent, now: Timestamp
    ) {
        if case .refused(let device, _, _) = event, before.member(device)?.isRestoring == false,
            run.member(device)?.isRefused == true
        {
            refused.insert(device)
        }
        let inFlight = run.members.filter(\.isInFlight).count
        if inFlight > run.header.policy.maxInFlight ?? .max { broken.append("\(inFlight) in flight after \(event)") }
        if inFlight != run.inFlight { broken.append("counts \(run.inFlight) in flight where there are \(inFlight)") }
        for command in commands {
            switch command {
            case .assign(let device): checkAssign(device, before, run, event, now)
            case .restore(let device): checkRestore(device, run)
            case .record(let decision): note(decision)
            }
        }
        checkReasons(before, run, commands, event)
        checkWaves(before, run, event)
        checkEnd(before, run)
    }

    private mutating func checkAssign(
        _ device: DeviceID, _ before: RolloutRun, _ run: RolloutRun, _ event: RolloutEvent, _ now: Timestamp
    ) {
        guard let member = run.member(device) else { return broken.append("assigned a stranger") }
        if refused.contains(device) { broken.append("assigned \(device), for which the target was refused") }
        if member.takenBy != nil { broken.append("assigned \(device), which is taken") }
        if member.wave > run.header.wave { broken.append("assigned \(device) of a wave that has not begun") }
        if run.members.contains(where: { $0.wave < member.wave && !$0.state.isFinal && !$0.isWaitingForRetry })
            && before.member(device)?.attempts == member.attempts && run.header.wave == member.wave
            && before.header.wave != run.header.wave
        {
            broken.append("wave \(member.wave) began before the end of those before it")
        }
        if ![.running, .paused].contains(before.header.state), event != .start(by: "ann"), !isRetry(event) {
            broken.append("assigned while \(before.header.state)")
        }
        let isNew = before.member(device)?.isInFlight != true
        guard isNew else { return }
        if member.isHeld { broken.append("started \(device), which is held out") }
        if run.header.state != .running, before.header.state != .running { broken.append("started while not running") }
        checkRate(run, now)
    }

    /// In any minute no more devices start than the rate allows in it and in the time that may be made up for.
    private mutating func checkRate(_ run: RolloutRun, _ now: Timestamp) {
        guard isClockSteady, let rate = run.header.policy.rate else { return }
        starts.append(now)
        var most = rate.perMinute
        for _ in 0..<run.succeeded / max(1, rate.growAfter) { most *= max(1, rate.growth) }
        // Successes that were taken back slow the rate, but not the starts of the minute before.
        highestRate = max(highestRate, min(most, rate.maxPerMinute ?? most))
        let window = starts.filter { now - $0 < .seconds(60) }.count
        let allowed = (highestRate * 62 / 60).rounded(.down) + 1
        if Double(window) > allowed { broken.append("\(window) starts in a minute at \(highestRate) a minute") }
    }

    private func isRetry(_ event: RolloutEvent) -> Bool {
        if case .retry = event { true } else { false }
    }

    private mutating func checkRestore(_ device: DeviceID, _ run: RolloutRun) {
        guard let member = run.member(device) else { return broken.append("restored a stranger") }
        if member.takenBy != nil { broken.append("restored \(device), which is taken") }
        if !member.isMoved { broken.append("restored \(device), which was never moved") }
    }

    private mutating func note(_ decision: RolloutDecision) {
        if decision.reason.isEmpty { broken.append("\(decision.action) has no reason") }
        switch decision.action {
        case .startWave, .soak, .measure: passed = []
        case .gatePassed: if let figures = decision.figures { passed.insert(figures.gate) }
        case .gateFailed, .gateInconclusive: if let figures = decision.figures { passed.remove(figures.gate) }
        default: break
        }
        if let figures = decision.figures, figures.sentence.isEmpty {
            broken.append("\(decision.action) has no sentence")
        }
    }

    private mutating func checkReasons(
        _ before: RolloutRun, _ run: RolloutRun, _ commands: [RolloutCommand], _ event: RolloutEvent
    ) {
        let isExplained = commands.contains { if case .record = $0 { true } else { false } }
        if run.header.state != before.header.state, !isExplained {
            broken.append("\(before.header.state) → \(run.header.state) without a reason")
        }
        if run.header.wave > before.header.wave, !isExplained { broken.append("a wave began without a reason") }
        if run.header.state != before.header.state, run.header.reason.isEmpty { broken.append("a state has no reason") }
        if run.header.state == .completed, (run.succeeded == 0) != (run.header.cause == .noneSucceeded),
            before.header.state != .completed
        {
            broken.append("completed as \(run.header.cause) with \(run.succeeded) successes")
        }
    }

    /// A wave begins only when the one before is through, its gates have passed or a person accepted what they say,
    /// and a person confirmed where that was asked for.
    private mutating func checkWaves(_ before: RolloutRun, _ run: RolloutRun, _ event: RolloutEvent) {
        guard run.header.wave > before.header.wave, before.header.state != .draft else { return }
        for wave in before.header.wave..<min(run.header.wave, before.header.waveCount) {
            let members = run.members.filter { $0.wave == wave }
            guard members.contains(where: { $0.outcome == .succeeded }) else {
                let isLast = wave == run.header.waveCount - 1
                if !isLast, run.header.acceptedSilence < wave {
                    broken.append("wave \(wave) was passed with no evidence")
                }
                continue
            }
            if run.header.waves[wave].confirm, wave < run.header.waveCount - 1, !isConfirm(event) {
                broken.append("the wave after \(wave) began unconfirmed")
            }
        }
        guard run.header.wave == before.header.wave + 1, before.header.phase == .measuring, !isResume(event) else {
            return
        }
        for (index, gate) in run.header.policy.gates.enumerated() where !passedBefore.contains(gate.metric) {
            if before.header.gates[index].acceptedWave == before.header.wave { continue }
            if !passed.contains(gate.metric), !isPassedNow(run, gate.metric) {
                broken.append("wave \(run.header.wave) began before \(gate.metric.rawValue) passed")
            }
        }
    }

    /// Gates that had passed when the step began: its own records clear them when a wave starts.
    private var passedBefore: Set<RolloutMetric> = []

    mutating func beginStep() { passedBefore = passed }

    private func isPassedNow(_ run: RolloutRun, _ metric: RolloutMetric) -> Bool {
        run.header.gates.contains { $0.figures?.gate == metric && $0.figures?.verdict == .passed }
    }

    private func isConfirm(_ event: RolloutEvent) -> Bool {
        if case .confirm = event { true } else { false }
    }

    private func isResume(_ event: RolloutEvent) -> Bool {
        if case .resume = event { true } else { false }
    }

    private mutating func checkEnd(_ before: RolloutRun, _ run: RolloutRun) {
        guard run.header.state == .rolledBack, before.header.state != .rolledBack else { return }
        for member in run.members where member.isMoved && member.takenBy == nil && member.restore != .done {
            broken.append("\(member.device) was left on the target by the rollback")
        }
    }
}
