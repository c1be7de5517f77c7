internal import MartletTypes

/// Fixed bounds.
extension GateJudge {
    func fixed(_ candidates: [Sample]) -> GateFigures {
        if metric.isProportion {
            return share(candidates, max: gate.max, min: gate.min, confidence: RolloutLimits.confidence)
        }
        let values = candidates.map(\.value)
        // Few devices crash: the median would not see it.
        let isCount = metric == .crashCount
        let value = isCount ? Middle.mean(values) : Middle.median(values)
        var figures = GateFigures(gate: metric, verdict: .passed, method: isCount ? .mean : .median)
        figures.value = value
        figures.devices = candidates.count
        figures.worst = worst(candidates)
        let word = isCount ? "mean" : "median"
        let over = Phrase.devices(candidates.count)
        figures.bound = gate.max ?? gate.min
        if let most = gate.max, value > most {
            figures.verdict = .failed
            let (shown, bound) = Phrase.numbers(value, most)
            figures.sentence =
                "\(name): \(word) \(shown) > \(bound) over \(over); worst: \(Phrase.names(figures.worst))"
        } else if let least = gate.min, value < least {
            figures.verdict = .failed
            figures.bound = least
            let (shown, bound) = Phrase.numbers(value, least)
            figures.sentence =
                "\(name): \(word) \(shown) < \(bound) over \(over); worst: \(Phrase.names(figures.worst))"
        } else {
            figures.sentence = "\(name): \(word) \(Phrase.number(value)) keeps its bound over \(over)"
        }
        return figures
    }

    /// A pooled share against fixed bounds.
    func share(_ candidates: [Sample], max: Double?, min: Double?, confidence: Double) -> GateFigures {
        let pooled = Share(devices: candidates.map { ($0.value, $0.samples) })
        var figures = bounded(pooled, max: max, min: min, confidence: confidence, worst: worst(candidates))
        figures.devices = candidates.count
        figures.sentence += " over \(Phrase.devices(candidates.count))"
        return figures
    }

    /// Fails when the whole interval lies beyond a bound, passes when the share keeps it.
    func bounded(_ share: Share, max: Double?, min: Double?, confidence: Double, worst: [DeviceID]) -> GateFigures {
        let bounds = share.interval(z: Normal.quantile(confidence))
        var figures = GateFigures(gate: metric, verdict: .passed, method: .wilson)
        figures.value = share.value
        figures.bound = max ?? min
        figures.low = bounds.low
        figures.high = bounds.high
        figures.worst = worst
        let isOver = max.map { share.value > $0 } ?? false
        let isUnder = min.map { share.value < $0 } ?? false
        let interval = "\(Phrase.percent(bounds.low)) to \(Phrase.percent(bounds.high))"
        let (shown, bound) = Phrase.numbers(share.value * 100, ((isUnder ? min : max ?? min) ?? 0) * 100)
        guard isOver || isUnder else {
            figures.sentence = "\(name): \(Phrase.percent(share.value)) (\(interval)) keeps its bound"
            return figures
        }
        if isUnder { figures.bound = min }
        let isSure = isOver ? bounds.low > max ?? 1 : bounds.high < min ?? 0
        figures.verdict = isSure ? .failed : .inconclusive
        let sign = isOver ? ">" : "<"
        let doubt = isSure ? "" : ", which may be chance,"
        figures.sentence = "\(name): \(shown) % \(sign) \(bound) % (interval \(interval))\(doubt)"
        return figures
    }
}
