/// Whether values of one kind tend to be greater than those of another, by ranks within strata.
///
/// The statistic is the sum over the strata of the ranks of the first kind; devices are only ever compared within
/// their stratum. One-sided. Exact, ties included, for few values; beyond, the normal approximation with correction for
/// ties and continuity. Source: Mann and Whitney 1947, "On a test of whether one of two random variables is
/// stochastically larger than the other".
struct MannWhitney {
    /// Values of the two kinds that are comparable.
    struct Stratum {
        var first: [Double]
        var second: [Double]
    }

    /// Probability of such ranks, or more extreme ones, if the first kind is not greater.
    let probability: Double
    /// The least probability that so many values can give: the test cannot decide at a level below it.
    let least: Double

    init(_ strata: [Stratum]) {
        let strata = strata.filter { !$0.first.isEmpty && !$0.second.isEmpty }
        least = strata.reduce(1) { $0 / Self.ways($1.first.count, of: $1.first.count + $1.second.count) }
        let most = RolloutLimits.exactDevices
        let firsts = strata.reduce(0) { $0 + $1.first.count }
        let seconds = strata.reduce(0) { $0 + $1.second.count }
        guard !strata.isEmpty else {
            probability = 1
            return
        }
        probability =
            firsts <= most && seconds <= most ? Self.exact(strata) : Self.approximate(strata)
    }

    static func exact(_ strata: [Stratum]) -> Double {
        var sum = 0
        var all: SumDistribution?
        for stratum in strata {
            let ranks = Ranks(stratum.first + stratum.second).doubled
            sum += ranks.prefix(stratum.first.count).reduce(0, +)
            let distribution = SumDistribution(choosing: stratum.first.count, of: ranks)
            if all == nil { all = distribution } else { all?.add(distribution) }
        }
        return all?.atLeast(sum) ?? 1
    }

    static func approximate(_ strata: [Stratum]) -> Double {
        var excess = 0.0
        var variance = 0.0
        for stratum in strata {
            let ranks = Ranks(stratum.first + stratum.second)
            let first = Double(stratum.first.count)
            let second = Double(stratum.second.count)
            let count = first + second
            let sum = Double(ranks.doubled.prefix(stratum.first.count).reduce(0, +)) / 2
            excess += sum - first * (count + 1) / 2
            variance += first * second / 12 * (count + 1 - ranks.ties / (count * (count - 1)))
        }
        guard variance > 0 else { return 1 }
        return Normal.above((excess - 0.5) / variance.squareRoot())
    }

    private static func ways(_ size: Int, of count: Int) -> Double {
        (0..<min(size, count - size)).reduce(1.0) { $0 * Double(count - $1) / Double($1 + 1) }
    }
}

/// Whether differences tend to be greater than nothing, by the ranks of their sizes; those that are nothing are left
/// out. One-sided; exact for few, ties included, beyond that the normal approximation. Source: Wilcoxon 1945,
/// "Individual comparisons by ranking methods".
struct SignedRank {
    let probability: Double
    /// The least probability that so many differences can give.
    let least: Double

    init(_ differences: [Double]) {
        let differences = differences.filter { $0 != 0 }
        least = differences.reduce(1) { value, _ in value / 2 }
        guard !differences.isEmpty else {
            probability = 1
            return
        }
        probability =
            differences.count <= RolloutLimits.exactDevices ? Self.exact(differences) : Self.approximate(differences)
    }

    static func exact(_ differences: [Double]) -> Double {
        let ranks = Ranks(differences.map(abs)).doubled
        let sum = zip(ranks, differences).reduce(0) { $1.1 > 0 ? $0 + $1.0 : $0 }
        return SumDistribution(tossing: ranks).atLeast(sum)
    }

    static func approximate(_ differences: [Double]) -> Double {
        let ranks = Ranks(differences.map(abs))
        let sum = Double(zip(ranks.doubled, differences).reduce(0) { $1.1 > 0 ? $0 + $1.0 : $0 }) / 2
        let count = Double(differences.count)
        let mean = count * (count + 1) / 4
        let variance = count * (count + 1) * (2 * count + 1) / 24 - ranks.ties / 48
        guard variance > 0 else { return 1 }
        return Normal.above((sum - mean - 0.5) / variance.squareRoot())
    }
}
