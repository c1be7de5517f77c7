internal import Glibc

/// By which factor values of one kind differ from those of another, with an interval that supposes no distribution.
///
/// The median over all pairs of their ratios, and the interval of pairs that a rank test would not reject. Source:
/// Hodges and Lehmann 1963, "Estimates of location based on rank tests".
struct Shift {
    let ratio: Double
    /// Nil where there are too few pairs for the confidence asked.
    let interval: (low: Double, high: Double)?

    /// Over the pairs within each stratum; nil unless all values are above 0.
    init?(_ strata: [MannWhitney.Stratum], z: Double) {
        var logarithms: [Double] = []
        var variance = 0.0
        for stratum in strata {
            guard stratum.first.allSatisfy({ $0 > 0 }), stratum.second.allSatisfy({ $0 > 0 }) else { return nil }
            let first = Self.thinned(stratum.first).map { log($0) }
            let second = Self.thinned(stratum.second).map { log($0) }
            for one in first { for other in second { logarithms.append(one - other) } }
            let pairs = Double(first.count * second.count)
            variance += pairs * Double(first.count + second.count + 1) / 12
        }
        self.init(logarithms, halfWidth: z * variance.squareRoot())
    }

    /// Over ratios of pairs that belong together; nil unless all are above 0.
    init?(ratios: [Double], z: Double) {
        guard ratios.allSatisfy({ $0 > 0 }) else { return nil }
        let values = Self.thinned(ratios).map { log($0) }
        var means: [Double] = []
        for (index, one) in values.enumerated() { for other in values[index...] { means.append((one + other) / 2) } }
        let count = Double(values.count)
        self.init(means, halfWidth: z * (count * (count + 1) * (2 * count + 1) / 24).squareRoot())
    }

    private init?(_ unsorted: [Double], halfWidth: Double) {
        let values = unsorted.sorted()
        guard !values.isEmpty else { return nil }
        ratio = exp(Middle.middle(sorted: values))
        let outside = Int((Double(values.count) / 2 - halfWidth).rounded(.down))
        interval = outside < 0 ? nil : (exp(values[outside]), exp(values[values.count - 1 - outside]))
    }

    /// Of many values evenly spaced quantiles, so that the number of pairs stays bounded.
    private static func thinned(_ values: [Double]) -> [Double] {
        let most = RolloutLimits.pairedValues
        guard values.count > most else { return values }
        let sorted = values.sorted()
        return (0..<most).map { sorted[(2 * $0 + 1) * sorted.count / (2 * most)] }
    }
}
