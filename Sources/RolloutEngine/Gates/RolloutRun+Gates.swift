internal import MartletTypes

/// Gates: conditions on what devices measure.
extension RolloutRun {
    /// Judges the gates that are due by what the devices measured.
    mutating func observed(_ observations: [DeviceObservation]) {
        guard header.state == .running, header.wave < header.waveCount else { return }
        let due = header.policy.gates.indices.filter {
            header.policy.gates[$0].metric != .failureRate && isDue($0)
        }
        guard !due.isEmpty else { return }
        let evidence = GateEvidence(observations + measuredByDevices(observations), of: self)
        for index in due where header.state == .running {
            note(index, GateJudge(header.policy.gates[index]).figures(evidence))
        }
    }

    /// Judges the gates that look at counts of the rollout itself.
    mutating func judgeCounts() {
        guard header.state == .running, header.wave < header.waveCount else { return }
        for index in header.policy.gates.indices where header.policy.gates[index].metric == .failureRate {
            guard header.state == .running, isDue(index) else { continue }
            let failed = tally.failed.count
            let completed = failed + succeeded
            note(index, GateJudge(header.policy.gates[index]).figures(failed: failed, of: completed))
        }
    }

    private func isDue(_ index: Int) -> Bool {
        header.gates[index].due <= time && header.gates[index].acceptedWave != header.wave
    }

    /// Whether a gate has used up what its policy lets pass.
    func isOverLimit(_ index: Int) -> Bool {
        let gate = header.policy.gates[index]
        return header.gates[index].failures > gate.failureLimit
            || header.gates[index].inconclusive > gate.inconclusiveLimit
    }

    /// Keeps what a gate said and does what follows.
    private mutating func note(_ index: Int, _ figures: GateFigures) {
        let gate = header.policy.gates[index]
        let before = header.gates[index].figures?.verdict
        let isWaitedFor = header.phase == .measuring
        isTouched = true
        header.gates[index].figures = figures
        header.gates[index].due = time + Int64(max(1, gate.intervalSeconds)) * 1000
        switch figures.verdict {
        case .passed:
            let isNew = before != .passed || isWaitedFor && !header.gates[index].hasPassed
            if isWaitedFor { header.gates[index].hasPassed = true }
            if isNew { record(.gatePassed, figures.sentence, figures) }
        case .failed:
            header.gates[index].hasPassed = false
            header.gates[index].failures += 1
            let failures = header.gates[index].failures
            let limit = gate.failureLimit > 0 ? " (failed \(failures) times, \(gate.failureLimit) let pass)" : ""
            record(.gateFailed, figures.sentence + limit, figures)
            guard isOverLimit(index) else { return }
            fail(.gateFailed, figures.sentence + limit, figures, then: gate.onFailure)
        case .inconclusive:
            guard isWaitedFor else { return }
            header.gates[index].hasPassed = false
            header.gates[index].inconclusive += 1
            let count = header.gates[index].inconclusive
            let limit = " (\(count) of \(gate.inconclusiveLimit + 1) measurements before a person must decide)"
            record(.gateInconclusive, figures.sentence + limit, figures)
            guard isOverLimit(index) else { return }
            pause(
                .inconclusive,
                "\(figures.sentence); measured \(count) times without an answer, a person must decide", figures)
        }
    }

    /// What devices found before they switched and reported themselves, where the caller does not tell it.
    private func measuredByDevices(_ observations: [DeviceObservation]) -> [DeviceObservation] {
        guard !tally.measured.isEmpty else { return [] }
        var told: [DeviceID: DeviceObservation] = [:]
        for observation in observations where observation.side == .candidate { told[observation.device] = observation }
        let others = Dictionary(
            observations.lazy.filter { $0.side != .candidate }.map { ($0.device, $0.group) }
        ) { first, _ in first }
        return tally.measured.sorted().compactMap { position in
            let member = members[position]
            let known = told[member.device]
            var values: [RolloutMetric: DeviceObservation.Measurement] = [:]
            if let result = member.evaluation, result.rows > 0, known?.values[.evaluationAccuracy] == nil {
                values[.evaluationAccuracy] = .init(value: result.accuracy, samples: result.rows)
            }
            if let result = member.shadow, let share = result.agreement, known?.values[.shadowAgreement] == nil {
                values[.shadowAgreement] = .init(value: share, samples: result.compared)
            }
            guard !values.isEmpty else { return nil }
            let group = known?.group ?? others[member.device] ?? ""
            return DeviceObservation(device: member.device, side: .candidate, group: group, values: values)
        }
    }
}

/// What devices measured, sorted by what was running there; observations that cannot be of that side are left out.
struct GateEvidence {
    let candidates: [DeviceObservation]
    let baseline: [DeviceObservation]
    let previous: [DeviceID: DeviceObservation]

    init(_ observations: [DeviceObservation], of run: RolloutRun) {
        var candidates: [DeviceObservation] = []
        var baseline: [DeviceObservation] = []
        var previous: [DeviceID: DeviceObservation] = [:]
        for observation in observations {
            let member = run.member(observation.device)
            switch observation.side {
            case .candidate:
                guard let member, member.wasOffered, member.restore == nil, member.takenBy == nil else { continue }
                candidates.append(observation)
            case .baseline:
                guard member?.isMoved != true else { continue }
                baseline.append(observation)
            case .previous: previous[observation.device] = observation
            }
        }
        self.candidates = candidates
        self.baseline = baseline
        self.previous = previous
    }
}
