/// A share of counted events, pooled over devices.
struct Share: Sendable, Hashable {
    /// Events, and what they are a share of. After `correctedForDevices` these need not be whole.
    var count: Double
    var total: Double

    init(count: Double, total: Double) {
        self.count = count
        self.total = total
    }

    /// Pooled over devices, each with its share and its denominator, with the sample made as small as it is worth:
    /// events of one device resemble each other, so that a device is the unit, not a request.
    ///
    /// The design effect is that of the ratio estimator over clusters. Source: Rao and Scott 1992, "A simple method
    /// for the analysis of clustered binary data".
    init(devices: [(value: Double, samples: Double)]) {
        let total = devices.reduce(0) { $0 + $1.samples }
        let count = devices.reduce(0) { $0 + $1.value * $1.samples }
        self.init(count: count, total: total)
        let value = self.value
        guard devices.count > 1, total > 0, value > 0, value < 1 else { return }
        let clusters = Double(devices.count)
        let squares = devices.reduce(0.0) { sum, device in
            let residual = (device.value - value) * device.samples
            return sum + residual * residual
        }
        let variance = clusters / (clusters - 1) * squares / (total * total)
        let effect = variance / (value * (1 - value) / total)
        guard effect > 1 else { return }
        self.init(count: count / effect, total: total / effect)
    }

    var value: Double { total > 0 ? count / total : 0 }

    /// Wilson's score interval. Source: Wilson 1927, "Probable inference, the law of succession, and statistical
    /// inference".
    func interval(z: Double) -> (low: Double, high: Double) {
        guard total > 0 else { return (0, 1) }
        let square = z * z
        let scale = 1 + square / total
        let center = (value + square / (2 * total)) / scale
        let spread = value * (1 - value) / total + square / (4 * total * total)
        let half = z * spread.squareRoot() / scale
        return (max(0, center - half), min(1, center + half))
    }

    /// The interval of this share less another. Source: Newcombe 1998, "Interval estimation for the difference between
    /// independent proportions", method 10.
    func difference(from other: Share, z: Double) -> (low: Double, high: Double) {
        let own = interval(z: z)
        let others = other.interval(z: z)
        let difference = value - other.value
        func root(_ a: Double, _ b: Double) -> Double { (a * a + b * b).squareRoot() }
        return (
            difference - root(value - own.low, others.high - other.value),
            difference + root(own.high - value, other.value - others.low)
        )
    }
}
