import Telemetry
import TestSupport
import Testing

@Suite("Exponential histograms")
struct HistogramTests {
    /// Values of many shapes: durations of one machine, of a mixed fleet, token counts, extremes, zeros.
    private func values(_ seed: UInt64) -> [Double] {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...2000, using: &random)
        let spread = [0.1, 1, 4, 12, 30][Int(seed % 5)]
        return (0..<count).map { _ in
            if Int.random(in: 0..<50, using: &random) == 0 { return 0 }
            return exp2Double(Double.random(in: -spread / 2...spread / 2, using: &random))
        }
    }

    private func exp2Double(_ exponent: Double) -> Double {
        let whole = exponent.rounded(.down)
        var result = Double(sign: .plus, exponent: Int(whole), significand: 1)
        // 2^f for 0 ≤ f < 1 by its series is enough to draw values.
        let f = (exponent - whole) * 0.6931471805599453
        result *= 1 + f * (1 + f / 2 * (1 + f / 3 * (1 + f / 4 * (1 + f / 5))))
        return result
    }

    private func histogram(_ values: [Double]) -> ExponentialHistogram {
        values.reduce(into: ExponentialHistogram()) { $0.record($1) }
    }

    @Test("quantiles are within five percent of the true ones", arguments: 1...60)
    func quantiles(seed: UInt64) {
        let values = values(seed)
        let sorted = values.sorted()
        let histogram = histogram(values)
        #expect(histogram.scale >= 4)
        for fraction in [0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1] {
            let rank = max(0, min(sorted.count - 1, Int((fraction * Double(sorted.count)).rounded(.up)) - 1))
            let truth = sorted[rank]
            let found = histogram.quantile(fraction) ?? -1
            #expect(abs(found - truth) <= truth * 0.05, "seed \(seed), fraction \(fraction)")
        }
    }

    @Test("merging equals recording everything into one", arguments: 1...60)
    func merge(seed: UInt64) {
        let (first, second) = (values(seed), values(seed &+ 1000))
        var merged = histogram(first)
        merged.merge(histogram(second))
        let whole = histogram(first + second)
        #expect(merged.buckets == whole.buckets, "seed \(seed)")
        #expect(merged.scale == whole.scale && merged.offset == whole.offset)
        #expect(merged.count == whole.count && merged.zeroCount == whole.zeroCount)
        #expect(merged.min == whole.min && merged.max == whole.max)
        #expect(abs(merged.sum - whole.sum) <= whole.sum * 1e-9)
    }

    @Test("the share below a value is near the true one", arguments: 1...30)
    func fractions(seed: UInt64) {
        let values = values(seed)
        let histogram = histogram(values)
        for cut in [0.001, 0.1, 1, 10, 1000] {
            // All values of the buckets that the cut touches may lie on the other side of it.
            let low = values.count { $0 <= cut * 0.95 }
            let high = values.count { $0 <= cut * 1.05 }
            let found = histogram.fraction(atOrBelow: cut) * Double(values.count)
            #expect(found >= Double(low) - 1e-6 && found <= Double(high) + 1e-6, "seed \(seed), cut \(cut)")
        }
    }

    @Test("explicit counts keep the total", arguments: 1...30)
    func explicit(seed: UInt64) {
        let histogram = histogram(values(seed))
        for bounds in [GenAIBuckets.requestDuration, GenAIBuckets.timeToFirstToken, GenAIBuckets.tokenUsage, []] {
            let counts = histogram.explicitCounts(bounds: bounds)
            #expect(counts.count == bounds.count + 1)
            #expect(counts.reduce(0, +) == histogram.count)
        }
    }

    @Test("explicit counts lie in the right buckets")
    func explicitBuckets() {
        let counts = histogram([0, 0.009, 0.0195, 0.021, 80, 83, 100])
            .explicitCounts(bounds: GenAIBuckets.requestDuration)
        #expect(counts == [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2])
    }

    @Test("a power of two lies at the top of its bucket, as the data model demands", arguments: [4, 1, 0, -1, -2])
    func powersOfTwo(scale: Int) throws {
        for exponent in [-8, -4, 4, 8] {
            let value = Double(sign: .plus, exponent: exponent, significand: 1)
            var histogram = try #require(
                ExponentialHistogram(
                    scale: scale, offset: 0, buckets: [], zeroCount: 0, count: 0, sum: 0, min: nil, max: nil))
            histogram.record(value)
            // b^(offset + 1) is the upper bound, which is 2^((offset + 1) · 2^-scale).
            let upper = Double(histogram.offset + 1) * (scale >= 0 ? 1 / Double(1 << scale) : Double(1 << -scale))
            #expect(upper == Double(exponent))
        }
    }

    @Test("extremes are counted and cost no memory")
    func extremes() {
        let histogram = histogram([0, -1, .nan, .infinity, 1e-300, 1e300, 1])
        #expect(histogram.count == 7)
        #expect(histogram.zeroCount == 5)
        #expect(histogram.buckets.count <= TelemetryLimits.mostBuckets)
    }

    @Test("an empty histogram has no quantile")
    func empty() {
        #expect(ExponentialHistogram().quantile(0.5) == nil)
        #expect(ExponentialHistogram().mean == nil)
        #expect(ExponentialHistogram().fraction(atOrBelow: 1) == 0)
    }

    @Test(
        "received parts are checked",
        arguments: [
            (4, 0, [1, 2], 3, true), (4, 0, [1, 2], 4, false), (21, 0, [1], 1, false), (4, 1 << 40, [1], 1, false),
            (-11, 0, [1], 1, false), (20, 0, [1, 0, 0, 1], 2, true), (0, 5000, [1], 1, false),
            (4, 0, Array(repeating: 0, count: 3000), 0, false),
        ] as [(Int, Int, [UInt64], UInt64, Bool)])
    func received(scale: Int, offset: Int, buckets: [UInt64], count: UInt64, isGood: Bool) {
        let histogram = ExponentialHistogram(
            scale: scale, offset: offset, buckets: buckets, zeroCount: 0, count: count, sum: 1, min: nil, max: nil)
        #expect((histogram != nil) == isGood)
    }

    @Test("hostile offsets merge in bounded memory")
    func hostileMerge() throws {
        var low = try #require(
            ExponentialHistogram(
                scale: 6, offset: -60_000, buckets: [1], zeroCount: 0, count: 1, sum: 0, min: nil, max: nil))
        let high = try #require(
            ExponentialHistogram(
                scale: 20, offset: 1_000_000_000, buckets: [1], zeroCount: 0, count: 1, sum: 0, min: nil, max: nil))
        low.merge(high)
        low.record(1)
        #expect(low.count == 3 && low.buckets.count <= TelemetryLimits.mostBuckets)
    }
}
