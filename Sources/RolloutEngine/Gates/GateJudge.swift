internal import MartletTypes

/// Judges one gate. It never guesses: what the data does not decide is inconclusive.
struct GateJudge {
    /// One device's value.
    struct Sample {
        let device: DeviceID
        let group: String
        let value: Double
        let samples: Double
    }

    let gate: RolloutGatePolicy

    init(_ gate: RolloutGatePolicy) { self.gate = gate }

    var metric: RolloutMetric { gate.metric }
    var name: String { gate.metric.rawValue }
    /// Devices needed on each side.
    var needed: Int { Swift.max(1, gate.minDevices) }

    /// The verdict over what devices measured.
    func figures(_ evidence: GateEvidence) -> GateFigures {
        let candidates = samples(evidence.candidates)
        guard candidates.count >= needed else {
            return nothing(
                "\(name): \(candidates.count) of \(Phrase.devices(needed)) needed have measured enough", candidates)
        }
        var found: [GateFigures] = []
        if gate.max != nil || gate.min != nil { found.append(fixed(candidates)) }
        if let baseline = gate.baseline {
            found.append(
                metric == .shadowAgreement
                    // A model agrees with itself.
                    ? share(candidates, max: nil, min: 1 - baseline.tolerance, confidence: baseline.confidence)
                    : compared(candidates, evidence, baseline))
        }
        for verdict in [GateFigures.Verdict.failed, .inconclusive, .passed] {
            if let decisive = found.first(where: { $0.verdict == verdict }) { return decisive }
        }
        var figures = GateFigures(gate: metric, verdict: .passed, method: .none, sentence: "\(name) has no bound")
        figures.devices = candidates.count
        return figures
    }

    /// The verdict over devices that failed: not updated devices do not fail an update, so that a tolerance is a bound.
    func figures(failed: Int, of completed: Int) -> GateFigures {
        guard completed >= needed else {
            return nothing("\(name): \(completed) of \(Phrase.devices(needed)) needed are through", [])
        }
        let share = Share(count: Double(failed), total: Double(completed))
        let confidence = gate.baseline?.confidence ?? RolloutLimits.confidence
        let most = [gate.max, gate.baseline?.tolerance].compactMap(\.self).min()
        var figures = bounded(share, max: most, min: gate.min, confidence: confidence, worst: [])
        figures.devices = completed
        figures.sentence += " of \(Phrase.devices(completed))"
        return figures
    }

    /// Devices that measured long enough. A crash, a temperature and a memory size count whatever the load was, and an
    /// evaluation set is run whole.
    func samples(_ observations: [DeviceObservation]) -> [Sample] {
        let least: Int
        switch metric {
        case .crashCount, .memoryUsed, .temperature, .evaluationAccuracy, .failureRate: least = 1
        default: least = Swift.max(1, gate.minSamples)
        }
        return observations.compactMap { observation in
            guard let found = observation.values[metric], found.samples >= least, found.value.isFinite else {
                return nil
            }
            return Sample(
                device: observation.device, group: observation.group, value: found.value,
                samples: Double(found.samples))
        }
    }

    func nothing(_ sentence: String, _ candidates: [Sample]) -> GateFigures {
        var figures = GateFigures(gate: metric, verdict: .inconclusive, method: .none, sentence: sentence)
        figures.devices = candidates.count
        return figures
    }

    /// The worst candidates first.
    func worst(_ candidates: [Sample]) -> [DeviceID] {
        let sign: Double = metric.isBetterHigher ? 1 : -1
        return candidates.sorted { (sign * $0.value, $0.device) < (sign * $1.value, $1.device) }
            .prefix(RolloutLimits.devicesNamed).map(\.device)
    }
}
