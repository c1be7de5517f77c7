internal import MartletTypes

extension RolloutRun {
    mutating func start(by actor: String) {
        guard header.state == .draft else { return }
        let target = header.target.map(\.reference).joined(separator: ", ")
        enter(.running, .started, "started by \(actor)")
        header.begun = time
        record(
            .start,
            "\(actor) started \(target) on \(Phrase.devices(members.count)) in "
                + Phrase.count(header.waveCount, "wave")
        )
        if header.waveCount > 0 { startWave() }
    }

    /// Moves on as far as limits and gates allow: offers the target to more devices, starts the next wave, ends.
    mutating func advance() {
        finishRestore()
        guard header.state == .running, keepsThresholds() else { return }
        while header.state == .running {
            offer()
            guard tally.open(through: header.wave) == 0 else {
                if header.phase != .moving { enterPhase(.moving) }
                return
            }
            guard header.wave < header.waveCount else { return complete() }
            guard isWaveOver() else { return }
            header.wave += 1
            enterPhase(.moving)
            if header.wave < header.waveCount { startWave() }
        }
    }

    mutating func startWave() {
        for index in header.gates.indices {
            let figures = header.gates[index].figures
            header.gates[index] = GateProgress()
            header.gates[index].figures = figures
            header.gates[index].due = time + Int64(header.policy.gates[index].intervalSeconds) * 1000
        }
        let wave = header.wave
        let devices = tally.places[wave].prefix(RolloutLimits.devicesNamed + 1).map { members[$0].device }
        let count = tally.places[wave].count
        let before =
            wave == 0
            ? ""
            : " after \(tally.succeeded[wave - 1]) of \(Phrase.devices(tally.places[wave - 1].count)) of wave \(wave) "
                + "succeeded"
        record(
            .startWave,
            "wave \(wave + 1) of \(header.waveCount)\(before): \(Phrase.devices(count)) "
                + "(\(Phrase.names(devices, of: count)))")
    }

    mutating func enterPhase(_ phase: RolloutPhase, until end: Int64? = nil) {
        guard header.phase != phase || header.phaseEnd != end else { return }
        header.phase = phase
        header.phaseEnd = end
        isTouched = true
    }

    /// Whether all that is asked between two waves is answered, now that every device of this one is through.
    private mutating func isWaveOver() -> Bool {
        let wave = header.wave
        let rule = header.waves[wave]
        let isLast = wave == header.waveCount - 1
        if tally.succeeded[wave] == 0 {
            // There is nothing to soak or to measure: a person decides, or the rollout ends with nothing to show.
            return isLast || header.acceptedSilence >= wave || !pauseWithoutEvidence()
        }
        if header.phase == .moving {
            if rule.soakSeconds > 0 {
                enterPhase(.soaking, until: time + Int64(rule.soakSeconds) * 1000)
                record(.soak, "wave \(wave + 1) of \(header.waveCount) is through and soaks for \(rule.soakSeconds) s")
                return false
            }
        }
        if header.phase == .soaking, time < header.phaseEnd ?? 0 { return false }
        if header.phase == .moving || header.phase == .soaking { beginMeasuring() }
        guard header.phase == .measuring else { return false }
        guard header.gates.indices.allSatisfy(hasPassed) else { return false }
        guard rule.confirm, !isLast else { return true }
        enterPhase(.confirming)
        record(
            .awaitConfirmation,
            "wave \(wave + 1) of \(header.waveCount) is over: \(tally.succeeded[wave]) of "
                + "\(Phrase.devices(tally.places[wave].count)) succeeded; a person must confirm the next one")
        return false
    }

    func hasPassed(_ gate: Int) -> Bool {
        header.gates[gate].hasPassed || header.gates[gate].acceptedWave == header.wave
    }

    private mutating func beginMeasuring() {
        enterPhase(.measuring)
        for index in header.gates.indices {
            header.gates[index].hasPassed = false
            header.gates[index].inconclusive = 0
            header.gates[index].due = time
        }
        let open = header.policy.gates.filter { $0.metric != .failureRate }
        guard !open.isEmpty else { return judgeCounts() }
        let names = Set(open.map(\.metric.rawValue)).sorted().joined(separator: ", ")
        record(.measure, "wave \(header.wave + 1) of \(header.waveCount) is through; its end is measured by \(names)")
        judgeCounts()
    }

    /// Pauses, for nothing is known about the target; true always.
    private mutating func pauseWithoutEvidence() -> Bool {
        let wave = header.wave
        pause(
            .nothingKnown,
            "none of the \(Phrase.devices(tally.places[wave].count)) of wave \(wave + 1) serves the target, so nothing "
                + "is known about it; resume to go on all the same")
        return true
    }

    private mutating func complete() {
        let outcome = Phrase.outcome(members)
        if succeeded > 0 {
            enter(.completed, .completed, outcome)
        } else {
            enter(.completed, .noneSucceeded, "not one device serves the target: \(outcome)")
        }
        record(.complete, header.reason)
    }

    // MARK: Offers

    /// Offers the target to devices whose turn has come, as many as may be in flight and as fast as the rate allows.
    private mutating func offer() {
        while header.batch < RolloutLimits.commandsPerStep, tally.unassigned.count < RolloutLimits.commandsPerStep,
            hasRoom, isInRate, let position = nextInTurn()
        {
            let deadline = time + Int64(header.policy.deviceDeadlineSeconds ?? Limits.rolloutDeadlineSeconds) * 1000
            update(position) {
                $0.state = .offered
                $0.wasOffered = true
                $0.wasHeard = false
                $0.generation = nil
                $0.due = deadline
            }
            header.batch += 1
            takeRate()
            command(.assign(members[position].device))
        }
    }

    /// The next device to start: one that is due for another attempt, else the next of the wave at work.
    private mutating func nextInTurn() -> Int? {
        while let first = tally.retries.first, first.due <= time {
            tally.retries.removeFirst()
            let member = members[Int(first.place)]
            if member.isWaitingForRetry, member.due == first.due { return Int(first.place) }
        }
        let wave = header.wave
        guard wave < header.waveCount else { return nil }
        var position = tally.firstPending[wave]
        let end = tally.places[wave].upperBound
        while position < end, members[position].state != .pending || members[position].isWaitingForRetry {
            position += 1
        }
        tally.passPending(in: wave, to: position)
        return position < end ? position : nil
    }

    /// Devices per minute now: the first rate, grown with each so many successes, up to its bound.
    var ratePerMinute: Double? {
        guard let rate = header.policy.rate else { return nil }
        let most = rate.maxPerMinute ?? .greatestFiniteMagnitude
        var value = min(rate.perMinute, most)
        guard rate.growth > 1 else { return max(value, .leastNonzeroMagnitude) }
        for _ in 0..<min(1000, succeeded / max(1, rate.growAfter)) {
            value = min(value * rate.growth, most)
            if value == most || value > 1e12 { break }
        }
        return max(value, .leastNonzeroMagnitude)
    }

    private var isInRate: Bool { header.policy.rate == nil || header.nextStart <= time }

    private mutating func takeRate() {
        guard let rate = ratePerMinute else { return }
        let spacing = Int64(min(60_000 / rate, 1e15).rounded(.up))
        header.nextStart = max(header.nextStart, time - RolloutLimits.rateLagMilliseconds) + spacing
    }
}
