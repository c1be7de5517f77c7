internal import Glibc
internal import MartletTypes

/// Comparisons with a baseline.
extension GateJudge {
    /// Candidates beside what they are compared with.
    private struct Comparison {
        var candidates: [Sample]
        var others: [Sample]
        /// By group, or each device alone with its own previous generation.
        var strata: [(candidates: [Sample], others: [Sample])]
        let isPaired: Bool
        var leftOut: Int
    }

    func compared(
        _ candidates: [Sample], _ evidence: GateEvidence, _ baseline: RolloutGatePolicy.Baseline
    ) -> GateFigures {
        let concurrent = beside(candidates, samples(evidence.baseline))
        let paired = before(candidates, evidence.previous)
        let usable = [concurrent, paired].filter { $0.candidates.count >= needed && $0.others.count >= needed }
        guard !usable.isEmpty else {
            return nothing(
                "\(name): too little to compare \(Phrase.devices(candidates.count)) with: "
                    + "\(concurrent.others.count) not yet updated, \(paired.others.count) with figures of their own "
                    + "previous generation, \(needed) needed", candidates)
        }
        if metric.isProportion { return shares(usable[0], baseline) }
        let decisive = usable.first { least($0) <= 1 - baseline.confidence }
        if let decisive { return ranked(decisive, baseline) }
        // Where nothing can be tested, the same box is the nearest comparison.
        return effectAlone(usable.last ?? concurrent, baseline)
    }

    /// Candidates with the not-yet-updated devices of their groups.
    private func beside(_ candidates: [Sample], _ others: [Sample]) -> Comparison {
        let groups = Dictionary(grouping: others, by: \.group)
        let strata = Dictionary(grouping: candidates, by: \.group).sorted { $0.key < $1.key }
            .compactMap { group, candidates in groups[group].map { (candidates: candidates, others: $0) } }
        let found = strata.flatMap(\.candidates)
        return Comparison(
            candidates: found, others: strata.flatMap(\.others), strata: strata, isPaired: false,
            leftOut: candidates.count - found.count)
    }

    /// Each candidate with what the device itself ran before.
    private func before(_ candidates: [Sample], _ previous: [DeviceID: DeviceObservation]) -> Comparison {
        let own = Dictionary(
            samples(candidates.compactMap { previous[$0.device] }).map { ($0.device, $0) }
        ) { first, _ in first }
        let strata = candidates.compactMap { candidate in
            own[candidate.device].map { (candidates: [candidate], others: [$0]) }
        }
        return Comparison(
            candidates: strata.flatMap(\.candidates), others: strata.flatMap(\.others), strata: strata, isPaired: true,
            leftOut: candidates.count - strata.count)
    }

    /// The baseline's value times what is tolerated; beyond it is worse.
    private func tolerated(_ value: Double, _ baseline: RolloutGatePolicy.Baseline) -> Double {
        metric.isBetterHigher ? value / baseline.tolerance : value * baseline.tolerance
    }

    /// By how much a candidate is worse than what is tolerated.
    private func excess(_ candidate: Double, _ other: Double, _ baseline: RolloutGatePolicy.Baseline) -> Double {
        let difference = candidate - tolerated(other, baseline)
        return metric.isBetterHigher ? -difference : difference
    }

    /// The excess of each pair, as logarithms of ratios where all values have one: a device's own scale drops out.
    private func differences(
        _ pairs: [(Double, Double)], _ baseline: RolloutGatePolicy.Baseline
    ) -> [Double] {
        let sign: Double = metric.isBetterHigher ? -1 : 1
        guard pairs.allSatisfy({ $0.0 > 0 && $0.1 > 0 }) else { return pairs.map { excess($0.0, $0.1, baseline) } }
        return pairs.map { sign * log($0.0 / tolerated($0.1, baseline)) }
    }

    private func least(_ comparison: Comparison) -> Double {
        comparison.isPaired
            ? comparison.strata.reduce(1) { value, _ in value / 2 }
            : MannWhitney(
                comparison.strata.map { .init(first: $0.candidates.map(\.value), second: $0.others.map(\.value)) }
            )
            .least
    }

    /// Fails when the ranks rule out that the tolerance is kept; passes when the effect keeps it.
    private func ranked(_ comparison: Comparison, _ baseline: RolloutGatePolicy.Baseline) -> GateFigures {
        let sign: Double = metric.isBetterHigher ? -1 : 1
        var figures = described(comparison, baseline, method: comparison.isPaired ? .signedRank : .mannWhitney)
        let probability: Double
        if comparison.isPaired {
            probability = SignedRank(differences(pairs(comparison), baseline)).probability
        } else {
            let strata = comparison.strata.map { stratum in
                MannWhitney.Stratum(
                    first: stratum.candidates.map { sign * $0.value },
                    second: stratum.others.map { sign * tolerated($0.value, baseline) })
            }
            probability = MannWhitney(strata).probability
        }
        figures.probability = probability
        let test = comparison.isPaired ? "Wilcoxon's signed ranks" : "Mann–Whitney"
        let tail = "\(test) p = \(Phrase.number(probability))"
        return concluded(figures, comparison, baseline, isSure: probability < 1 - baseline.confidence, tail)
    }

    /// The effect alone, where so few devices cannot decide any test at the confidence asked.
    private func effectAlone(_ comparison: Comparison, _ baseline: RolloutGatePolicy.Baseline) -> GateFigures {
        let figures = described(comparison, baseline, method: .effectOnly)
        let worse = pairs(comparison).filter { excess($0.0, $0.1, baseline) > 0 }.count
        let of = Phrase.devices(comparison.candidates.count)
        let tail = comparison.isPaired ? "on \(worse) of \(of)" : "on \(of)"
        return concluded(figures, comparison, baseline, isSure: true, "too few devices for a test, \(tail)")
    }

    private func concluded(
        _ described: GateFigures, _ comparison: Comparison, _ baseline: RolloutGatePolicy.Baseline, isSure: Bool,
        _ tail: String
    ) -> GateFigures {
        var figures = described
        let excess = middleExcess(comparison, baseline)
        figures.verdict = excess <= 0 ? .passed : isSure ? .failed : .inconclusive
        let against =
            comparison.isPaired
            ? "its own previous generation" : "\(Phrase.devices(comparison.others.count)) not yet updated"
        var numbers: String
        if let effect = figures.effect, let bound = figures.bound {
            let (shown, limit) = Phrase.numbers(effect, bound)
            let isOver = effect > bound
            numbers = "median ratio \(shown) \(effect == bound ? "=" : isOver ? ">" : "<") \(limit)"
            if let low = figures.low, let high = figures.high {
                numbers += " (interval \(Phrase.number(low)) to \(Phrase.number(high)))"
            }
        } else {
            numbers = "\(Phrase.number(figures.value ?? 0)) against \(Phrase.number(figures.baseline ?? 0))"
        }
        let left = comparison.leftOut > 0 ? "; \(comparison.leftOut) without a counterpart left out" : ""
        let doubt = figures.verdict == .inconclusive ? "; which may be chance" : ""
        let worst = figures.verdict == .passed ? "" : "; worst: \(Phrase.names(figures.worst))"
        let who = comparison.isPaired ? "each against" : "against"
        figures.sentence =
            "\(name): \(numbers) on \(Phrase.devices(comparison.candidates.count)) \(who) \(against): \(tail)"
            + "\(doubt)\(left)\(worst)"
        return figures
    }

    /// The effect with its interval.
    private func described(
        _ comparison: Comparison, _ baseline: RolloutGatePolicy.Baseline, method: GateFigures.Method
    ) -> GateFigures {
        var figures = GateFigures(gate: metric, verdict: .inconclusive, method: method)
        let isCount = metric == .crashCount
        let own = comparison.candidates.map(\.value)
        let others = comparison.others.map(\.value)
        figures.value = isCount ? Middle.mean(own) : Middle.median(own)
        figures.baseline = isCount ? Middle.mean(others) : Middle.median(others)
        figures.devices = comparison.candidates.count
        figures.baselineDevices = comparison.others.count
        figures.worst = worst(comparison.candidates)
        let z = Normal.quantile(baseline.confidence)
        let shift =
            isCount
            ? nil
            : comparison.isPaired
                ? (pairs(comparison).allSatisfy { $0.1 > 0 }
                    ? Shift(ratios: pairs(comparison).map { $0.0 / $0.1 }, z: z) : nil)
                : Shift(
                    comparison.strata.map {
                        .init(first: $0.candidates.map(\.value), second: $0.others.map(\.value))
                    }, z: z)
        guard let shift else { return figures }
        figures.bound = metric.isBetterHigher ? 1 / baseline.tolerance : baseline.tolerance
        figures.effect = shift.ratio
        figures.low = shift.interval?.low
        figures.high = shift.interval?.high
        return figures
    }

    /// Above 0 where the candidates are, in the middle, worse than is tolerated.
    private func middleExcess(_ comparison: Comparison, _ baseline: RolloutGatePolicy.Baseline) -> Double {
        let figures = described(comparison, baseline, method: .none)
        if let effect = figures.effect, let bound = figures.bound {
            return metric.isBetterHigher ? bound - effect : effect - bound
        }
        return excess(figures.value ?? 0, figures.baseline ?? 0, baseline)
    }

    private func pairs(_ comparison: Comparison) -> [(Double, Double)] {
        comparison.strata.flatMap { stratum -> [(Double, Double)] in
            let other = Middle.median(stratum.others.map(\.value))
            return stratum.candidates.map { ($0.value, other) }
        }
    }

    /// Two pooled shares: fails when the whole interval of their difference lies beyond the tolerance.
    private func shares(_ comparison: Comparison, _ baseline: RolloutGatePolicy.Baseline) -> GateFigures {
        let own = Share(devices: comparison.candidates.map { ($0.value, $0.samples) })
        let other = Share(devices: comparison.others.map { ($0.value, $0.samples) })
        let z = Normal.quantile(baseline.confidence)
        let (worse, better) = metric.isBetterHigher ? (other, own) : (own, other)
        let bounds = worse.difference(from: better, z: z)
        let difference = worse.value - better.value
        var figures = GateFigures(gate: metric, verdict: .passed, method: .newcombe)
        figures.value = own.value
        figures.baseline = other.value
        figures.bound = baseline.tolerance
        figures.effect = difference
        figures.low = bounds.low
        figures.high = bounds.high
        figures.devices = comparison.candidates.count
        figures.baselineDevices = comparison.others.count
        figures.worst = worst(comparison.candidates)
        if difference > baseline.tolerance {
            figures.verdict = bounds.low > baseline.tolerance ? .failed : .inconclusive
        }
        let against =
            comparison.isPaired
            ? "their own previous generations" : "\(Phrase.devices(comparison.others.count)) not yet updated"
        let (shown, limit) = Phrase.numbers(difference * 100, baseline.tolerance * 100)
        let sign = difference > baseline.tolerance ? ">" : "≤"
        let doubt = figures.verdict == .inconclusive ? ", which may be chance" : ""
        let tail = figures.verdict == .passed ? "" : "; worst: \(Phrase.names(figures.worst))"
        figures.sentence =
            "\(name): \(Phrase.percent(own.value)) on \(Phrase.devices(comparison.candidates.count)) against "
            + "\(Phrase.percent(other.value)) on \(against): worse by \(shown) \(sign) \(limit) percentage points "
            + "(interval \(Phrase.number(bounds.low * 100)) to \(Phrase.number(bounds.high * 100)))\(doubt)\(tail)"
        return figures
    }
}
