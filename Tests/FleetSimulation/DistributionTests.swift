import MartletTypes
import TestSupport
import Testing

@testable import FleetSimulation

@Suite("Distributions and dice")
struct DistributionTests {
    @Test(
        "values lie where their distribution says",
        arguments: [
            (Distribution.constant(7), 7.0, 7.0), (.uniform(2, 6), 4, 4), (.normal(mean: 20, deviation: 3), 20, 20),
            (.logNormal(median: 20, sigma: 0.5), 20, 22.7), (.exponential(mean: 30), 20.8, 30),
        ])
    func location(distribution: Distribution, median: Double, mean: Double) {
        var random = SeededRandom(seed: 11, "location")
        let values = (0..<40_000).map { _ in distribution.sample(&random) }.sorted()
        #expect(abs(values[20_000] - median) <= median * 0.05)
        #expect(abs(values.reduce(0, +) / 40_000 - mean) <= mean * 0.05)
    }

    @Test("a time that is drawn is never below what it may be at least")
    func least() {
        var random = SeededRandom(seed: 1, "least")
        let wide = Distribution.normal(mean: 0, deviation: 5)
        #expect((0..<1000).allSatisfy { _ in wide.sample(&random, atLeast: 0.5) >= 0.5 })
    }

    @Test("events come as often as their rate says", arguments: [0.0, 0.3, 4, 59, 200])
    func poisson(mean: Double) {
        var random = SeededRandom(seed: 5, "poisson")
        let counts = (0..<20_000).map { _ in random.poisson(mean) }
        let found = Double(counts.reduce(0, +)) / 20_000
        #expect(abs(found - mean) <= max(0.02, mean * 0.05))
    }

    @Test("equal seed, purpose and index give equal dice; any other gives others")
    func streams() {
        func values(_ seed: UInt64, _ purpose: String, _ index: UInt64) -> [UInt64] {
            var random = SeededRandom(seed: seed, purpose, index)
            return (0..<8).map { _ in random.next() }
        }
        #expect(values(1, "link", 3) == values(1, "link", 3))
        let others = [values(2, "link", 3), values(1, "size", 3), values(1, "link", 4), values(3, "link", 1)]
        #expect(Set(others + [values(1, "link", 3)]).count == 5)
    }

    @Test(
        "every written form is read",
        arguments: [
            ("3.5", Distribution.constant(3.5)), ("3", .constant(3)), (#"{"uniform": [1, 5]}"#, .uniform(1, 5)),
            (#"{"normal": [20, 3]}"#, .normal(mean: 20, deviation: 3)),
            (#"{"logNormal": [20, 0.5]}"#, .logNormal(median: 20, sigma: 0.5)),
            (#"{"exponential": 30}"#, .exponential(mean: 30)),
        ])
    func forms(text: String, expected: Distribution) throws {
        #expect(try JSONText.decode([Distribution].self, from: Array("[\(text)]".utf8)) == [expected])
    }

    @Test(
        "what is no distribution is refused",
        arguments: [
            #"{"uniform": [5, 1]}"#, #"{"uniform": [1]}"#, #"{"normal": [1, -1]}"#, #"{"logNormal": [0, 1]}"#,
            #"{"exponential": -1}"#, #"{"gauss": [1, 2]}"#, #"{"uniform": [1, 2], "normal": [1, 2]}"#, #""fast""#, "{}",
        ])
    func refused(text: String) {
        #expect(throws: (any Error).self) {
            try JSONText.decode([Distribution].self, from: Array("[\(text)]".utf8))
        }
    }
}
