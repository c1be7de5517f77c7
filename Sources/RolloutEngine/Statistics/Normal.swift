internal import Glibc

/// The standard normal distribution.
enum Normal {
    /// Probability of a value above `x`.
    static func above(_ x: Double) -> Double { erfc(x / 2.0.squareRoot()) / 2 }

    /// The value with probability `p` below it, by halving: exact to the last digits, and asked for a few times a
    /// measurement only.
    static func quantile(_ p: Double) -> Double {
        guard p > 0 else { return -.infinity }
        guard p < 1 else { return .infinity }
        var low = -40.0
        var high = 40.0
        for _ in 0..<80 {
            let middle = (low + high) / 2
            if above(-middle) < p { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }
}
