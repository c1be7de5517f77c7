internal import MartletTypes

extension RolloutRun {
    /// Whether an event that people or other rollouts cause has an effect in the present state.
    package func permits(_ event: RolloutEvent) -> Bool {
        switch event {
        case .start: header.state == .draft
        case .pause: header.state == .running
        case .resume: header.state == .paused
        case .confirm: header.state == .running && header.phase == .confirming
        case .retry: [.running, .paused, .completed].contains(header.state)
        case .abort, .superseded: !header.state.isFinal
        case .rollback:
            header.state != .draft && header.state != .rolledBack
                && (header.state != .rollingBack || header.waveBeingRolledBack != nil)
        case .tick, .assigned, .refused, .reported, .observed, .joined, .deviceGone, .devicesSuperseded, .deviceHeld,
            .deviceReleased:
            true
        }
    }

    mutating func steer(_ event: RolloutEvent) {
        guard permits(event) else { return }
        switch event {
        case .pause(let actor, let reason): pause(.person, "paused by \(actor)" + Self.tail(reason))
        case .resume(let actor, let reason): resume(by: actor, reason)
        case .confirm(let actor, let reason): confirm(by: actor, reason)
        case .retry(let actor, let devices, let reason): retry(by: actor, devices, reason)
        case .abort(let actor, let reason): abort(.person, "aborted by \(actor)" + Self.tail(reason))
        case .rollback(let actor, let reason): rollBack(.person, "rolled back by \(actor)" + Self.tail(reason))
        case .superseded(let owner):
            for position in members.indices {
                take(members[position].device, .superseded, RolloutCode.superseded, by: owner)
            }
            abort(.superseded, "superseded by \(owner)")
        case .start, .tick, .assigned, .refused, .reported, .observed, .joined, .deviceGone, .devicesSuperseded,
            .deviceHeld, .deviceReleased:
            return
        }
    }

    mutating func pause(_ cause: RolloutCause, _ reason: String, _ figures: GateFigures? = nil) {
        enter(.paused, cause, reason)
        record(.pause, reason, figures)
    }

    /// What follows a gate or threshold that says no.
    mutating func fail(
        _ cause: RolloutCause, _ reason: String, _ figures: GateFigures? = nil, then action: RolloutPolicy.OnFailure?
    ) {
        switch action ?? header.policy.onFailure {
        case .pause: pause(cause, reason, figures)
        case .stop: abort(cause, "stopped: \(reason)", figures)
        case .rollbackWave: rollBackWave(cause, reason, figures)
        case .rollbackAll: rollBack(cause, reason, figures)
        }
    }

    private mutating func resume(by actor: String, _ reason: String) {
        var accepted: [String] = []
        if !tally.failed.isEmpty { accepted.append("that \(Phrase.devices(tally.failed.count)) failed") }
        header.acceptedFailures = tally.failed.count
        for (index, threshold) in header.policy.thresholds.enumerated() {
            header.acceptedShares[index] = share(threshold)
        }
        if header.cause == .gateFailed || header.cause == .inconclusive {
            for index in header.gates.indices where isOverLimit(index) {
                header.gates[index].acceptedWave = header.wave
                accepted.append("what \(header.policy.gates[index].metric.rawValue) says of wave \(header.wave + 1)")
            }
        }
        if header.wave < header.waveCount, tally.open[header.wave] == 0 { header.acceptedSilence = header.wave }
        let tail = accepted.isEmpty ? "" : ", accepting " + accepted.joined(separator: " and ")
        enter(.running, .resumed, "resumed by \(actor)\(tail)" + Self.tail(reason))
        record(.resume, header.reason)
    }

    private mutating func confirm(by actor: String, _ reason: String) {
        enterPhase(.moving)
        header.wave += 1
        enter(.running, .confirmed, "wave \(header.wave + 1) confirmed by \(actor)" + Self.tail(reason))
        record(.confirm, header.reason)
        startWave()
    }

    private mutating func abort(_ cause: RolloutCause, _ reason: String, _ figures: GateFigures? = nil) {
        endPending()
        enter(.aborted, cause, reason)
        record(.abort, "\(reason); \(Phrase.outcome(members))", figures)
    }

    /// What follows a sentence where somebody gave a reason.
    static func tail(_ reason: String) -> String { reason.isEmpty ? "" : ": \(reason)" }
}
