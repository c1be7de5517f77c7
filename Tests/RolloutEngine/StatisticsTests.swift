import Testing

@testable import RolloutEngine

/// Expected values are those of the papers where they print them, else of SciPy 1.17.1 (`scipy.stats`) and statsmodels,
/// as each table says.
@Suite("The statistics of gates")
struct StatisticsTests {
    private func near(_ value: Double, _ expected: Double, _ tolerance: Double = 1e-9) -> Bool {
        abs(value - expected) <= tolerance
    }

    @Test(
        "Quantiles of the normal distribution are right (scipy.stats.norm.ppf)",
        arguments: [
            (0.5, 0), (0.9, 1.2815515655446004), (0.95, 1.6448536269514722), (0.975, 1.959963984540054),
            (0.999, 3.090232306167813),
        ] as [(Double, Double)])
    func quantiles(_ probability: Double, _ expected: Double) {
        #expect(near(Normal.quantile(probability), expected))
        #expect(near(Normal.quantile(1 - probability), -expected))
        #expect(near(Normal.above(expected), 1 - probability))
    }

    /// The last four are the examples of Newcombe 1998, "Two-sided confidence intervals for the single proportion".
    @Test(
        "Wilson's interval is the published one",
        arguments: [
            (0, 10, 0, 0.27753279986288926), (1, 10, 0.017876213095072924, 0.40415002679523854),
            (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (29, 29, 0.8830, 1),
        ] as [(Double, Double, Double, Double)])
    func wilson(_ count: Double, _ total: Double, _ low: Double, _ high: Double) {
        let interval = Share(count: count, total: total).interval(z: 1.959963984540054)
        #expect(near(interval.low, low, 6e-5))
        #expect(near(interval.high, high, 6e-5))
    }

    /// Table II of Newcombe 1998, method 10.
    @Test(
        "Newcombe's interval of a difference is the published one",
        arguments: [
            ((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090),
            ((6, 7), (2, 7), 0.0582, 0.8062), ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775), ((10, 10), (0, 20), 0.6791, 1),
        ] as [((Double, Double), (Double, Double), Double, Double)])
    func newcombe(_ one: (Double, Double), _ other: (Double, Double), _ low: Double, _ high: Double) {
        let own = Share(count: one.0, total: one.1)
        let interval = own.difference(from: Share(count: other.0, total: other.1), z: 1.959963984540054)
        #expect(near(interval.low, low, 6e-5))
        #expect(near(interval.high, high, 6e-5))
    }

    @Test("A pooled share is worth fewer requests when its events come from few of the devices")
    func clusters() {
        let even = Share(devices: [(0.1, 100), (0.1, 100), (0.1, 100)])
        #expect(near(even.total, 300))
        let one = Share(devices: [(0.3, 100), (0, 100), (0, 100)])
        #expect(near(one.value, even.value))
        #expect(one.total < 30)
        #expect(one.interval(z: 1.64).low < even.interval(z: 1.64).low)
    }

    /// `mannwhitneyu(x, y, alternative="greater", method="exact")`; with ties all permutations
    /// (`PermutationMethod(n_resamples=inf)`).
    @Test(
        "Mann–Whitney is exact for few values, ties included",
        arguments: [
            ([1.039, 1.23, 1.965], [1.264, 0.343, 0.998, 0.751], 0.11428571428571428),
            ([1.359, 0.657, 1.397, 1.394, 1.93], [1.127, 1.204, 0.403, 1.901, 0.234], 0.1111111111111111),
            (
                [1.741, 1.168, 0.948, 1.037, 1.031, 1.452, 1.256, 1.893], [0.268, 0.999, 0.643, 1.31, 0.153, 0.863],
                0.00999000999000999
            ),
            (
                [1.384, 0.706, 1.694, 1.371, 1.703, 1.684, 0.908, 0.981, 1.219, 1.599, 1.64, 1.016],
                [0.757, 0.681, 0.766, 0.905, 0.947, 1.823, 0.797, 0.885, 1.183, 0.619], 0.006884756110762303
            ),
            ([2, 3, 3, 5], [1, 2, 2, 3, 4], 26.0 / 126), ([1, 1, 2, 4, 4, 5], [1, 1, 1, 2, 3, 4], 197.0 / 924),
        ] as [([Double], [Double], Double)])
    func mannWhitney(_ first: [Double], _ second: [Double], _ expected: Double) {
        #expect(near(MannWhitney([.init(first: first, second: second)]).probability, expected))
    }

    /// `method="asymptotic"`, which corrects for ties and continuity.
    @Test(
        "Mann–Whitney is approximated for many values",
        arguments: [
            (
                [7, 4, 6, 5, 7, 2, 5, 4, 5, 7, 7, 8, 4, 9, 6, 9, 8, 4, 3, 4],
                [
                    4, 7, 8, 5, 6, 9, 4, 4, 3, 6, 4, 2, 5, 12, 1, 6, 8, 6, 3, 2, 4, 5, 4, 3, 1, 4, 3, 3, 3, 9,
                ], 0.04927032790218356
            ),
            (
                [5, 5, 2, 5, 3, 3, 4, 7, 2, 5, 7, 8, 5, 3, 6, 8],
                [
                    3, 3, 7, 2, 6, 7, 4, 6, 2, 2, 2, 0, 4, 4, 7, 2, 6, 5, 6, 1, 7, 3, 4, 2, 3, 6, 3, 2, 6, 4, 1, 2, 6,
                    2, 5, 4, 3, 3, 6, 4,
                ], 0.0562051722845968
            ),
        ] as [([Double], [Double], Double)])
    func mannWhitneyOfMany(_ first: [Double], _ second: [Double], _ expected: Double) {
        #expect(near(MannWhitney([.init(first: first, second: second)]).probability, expected))
    }

    @Test("Strata are compared within themselves: a slow kind of box is not a slow release")
    func strata() {
        let slow = MannWhitney.Stratum(first: [10, 11, 12, 13], second: [10.5, 11.5, 12.5])
        let fast = MannWhitney.Stratum(first: [1.1], second: [1, 1.2, 1.3, 0.9, 1.15, 1.05, 1.25])
        let pooled = MannWhitney([.init(first: slow.first + fast.first, second: slow.second + fast.second)])
        #expect(pooled.probability < 0.1)
        #expect(MannWhitney([slow, fast]).probability > 0.3)
        #expect(near(MannWhitney([slow, fast]).least, 1.0 / 35 / 8))
        // With one stratum's candidates above all: the probability is the product of the extremes.
        let apart = MannWhitney.Stratum(first: [5, 6], second: [1, 2])
        #expect(near(MannWhitney([apart, apart]).probability, 1.0 / 36))
        #expect(near(MannWhitney([apart, apart]).least, 1.0 / 36))
        #expect(abs(MannWhitney.approximate([apart, apart]) - 1.0 / 36) < 0.02)
    }

    /// `wilcoxon(d, alternative="greater", method="exact")`; the last `method="approx", correction=True`.
    @Test(
        "Signed ranks are exact for few differences and approximated for many",
        arguments: [
            ([-0.07, -0.12, 0.031], 0.875), ([0.608, -0.353, 0.202, -0.427, 0.222, 0.387], 0.34375),
            ([-0.313, 0.017, 0.356, 0.689, 0.779, 0.246, -0.2, -0.514, 0.691, 0.999], 0.0654296875),
            (
                [
                    0.3, 0.9, -0.1, -0.1, 0.9, -0.4, 0.4, 0.3, 0.2, 1.0, -0.3, -0.1, -0.9, -0.4, -0.2, -0.1, 0.2, -0.2,
                    -0.9, 0.2, 0.3, -0.5, -0.3, 1.0, 0.6, 0.6, 0.4, 0.2, -0.2,
                ], 0.15918298259769154
            ),
        ] as [([Double], Double)])
    func signedRank(_ differences: [Double], _ expected: Double) {
        #expect(near(SignedRank(differences).probability, expected))
    }

    @Test("Tests of nothing, or of what is all equal, say nothing")
    func nothing() {
        #expect(MannWhitney([]).probability == 1)
        #expect(MannWhitney([.init(first: [1], second: [])]).probability == 1)
        #expect(MannWhitney([.init(first: [1, 1], second: [1, 1])]).probability == 1)
        #expect(MannWhitney.approximate([.init(first: [1, 1], second: [1, 1])]) == 1)
        #expect(SignedRank([]).probability == 1)
        #expect(SignedRank([0, 0]).probability == 1)
        #expect(Share(devices: []).interval(z: 2) == (0, 1))
        #expect(Shift([.init(first: [0], second: [1])], z: 1) == nil)
    }

    @Test("The shift between two kinds is the median ratio of pairs, with an interval around it")
    func shift() throws {
        let kinds = MannWhitney.Stratum(first: [1.52, 1.6, 1.4, 1.7], second: [1.0, 1.1, 0.9, 1.05, 0.95])
        let shift = try #require(Shift([kinds], z: 1.6448536269514722))
        #expect(near(shift.ratio, 1.5504968249049733))
        let interval = try #require(shift.interval)
        #expect(interval.low > 1.27 && interval.low < 1.55 && interval.high > 1.56 && interval.high < 1.89)
        #expect(Shift([.init(first: [1.5], second: [1])], z: 1.64)?.interval == nil)
        let many = MannWhitney.Stratum(
            first: (1...4000).map { 2 + Double($0) / 4000 }, second: (1...5000).map { 1 + Double($0) / 5000 })
        let thinned = try #require(Shift([many], z: 1.64))
        #expect(abs(thinned.ratio - 5.0 / 3) < 0.02)
    }

    @Test(
        "Numbers are written with the digits that mean something",
        arguments: [
            (1.5234, "1.52"), (0.012345, "0.0123"), (0, "0"), (183.6, "184"), (2_147_483_648, "2147483648"),
            (-0.5, "-0.500"), (99.99, "100.0"),
        ] as [(Double, String)])
    func numbers(_ value: Double, _ text: String) {
        #expect(Phrase.number(value) == text)
    }

    @Test("Two numbers that differ do not look equal")
    func pairs() {
        #expect(Phrase.numbers(1.2, 1.2).0 == "1.20")
        let (one, other) = Phrase.numbers(1.2003, 1.2)
        #expect(one != other)
    }
}
