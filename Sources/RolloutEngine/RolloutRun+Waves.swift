internal import MartletTypes

extension RolloutRun {
    mutating func start(by actor: String, now: Timestamp) {
        guard header.state == .draft else { return }
        let target = header.target.map(\.reference).joined(separator: ", ")
        header.state = .running
        header.reason = "started by \(actor)"
        record(
            .start, "\(actor) started \(target) on \(Phrase.devices(members.count)) in \(header.waveCount) waves",
            now: now)
        if header.waveCount > 0 { recordWave(now: now) }
    }

    /// Moves on as far as the gates allow: offers the target to more devices, starts the next wave, ends.
    mutating func advance(now: Timestamp) {
        finishRestore(now: now)
        guard header.state == .running, passes(RolloutGates.always, now: now) else { return }
        while header.wave < header.waveCount {
            offer(now: now)
            guard tally.open[header.wave] == 0 else { return }
            let isLast = header.wave == header.waveCount - 1
            if !isLast, header.acceptedSilence < header.wave, !passes(RolloutGates.betweenWaves, now: now) { return }
            header.wave += 1
            if !isLast { recordWave(now: now) }
        }
        header.state = .completed
        header.reason = Phrase.outcome(members)
        record(.complete, header.reason, now: now)
    }

    /// Offers the target to devices of the wave at work, as many as may be in flight.
    private mutating func offer(now: Timestamp) {
        let wave = header.wave
        var position = tally.firstPending[wave]
        while position < tally.places[wave].upperBound,
            header.policy.maxInFlight.map({ tally.inFlight.count < max(1, $0) }) ?? true
        {
            if members[position].state == .pending {
                update(position, now: now) {
                    $0.state = .offered
                    $0.since = now
                }
                commands.append(.assign(members[position].device))
            }
            position += 1
        }
        tally.passPending(in: wave, to: position)
    }

    private mutating func passes(_ gates: [any RolloutGate], now: Timestamp) -> Bool {
        for gate in gates {
            switch gate.verdict(over: evidence()) {
            case .passed: continue
            case .waiting(let reason): pause(reason, now: now)
            case .failed(let reason):
                switch header.policy.onFailure {
                case .pause: pause(reason, now: now)
                case .rollback: rollBack(reason, now: now)
                }
            }
            return false
        }
        return true
    }

    private func evidence() -> GateEvidence {
        let wave = min(header.wave, header.waveCount - 1)
        return GateEvidence(
            policy: header.policy, wave: wave, waveCount: header.waveCount, offered: tally.offered,
            failed: tally.failed.count > header.acceptedFailures + header.policy.maxFailures
                ? tally.failed.sorted().map { members[$0] } : [],
            acceptedFailures: header.acceptedFailures, waveDevices: wave < 0 ? 0 : tally.places[wave].count,
            waveSucceeded: wave < 0 ? 0 : tally.succeeded[wave])
    }

    private mutating func recordWave(now: Timestamp) {
        let devices = tally.places[header.wave].map { members[$0].device }
        let before =
            header.wave == 0
            ? ""
            : " after \(tally.succeeded[header.wave - 1]) of "
                + "\(Phrase.devices(tally.places[header.wave - 1].count)) of wave \(header.wave) succeeded"
        record(
            .startWave,
            "wave \(header.wave + 1) of \(header.waveCount)\(before): \(Phrase.devices(devices.count)) "
                + "(\(Phrase.names(devices)))", now: now)
    }
}
