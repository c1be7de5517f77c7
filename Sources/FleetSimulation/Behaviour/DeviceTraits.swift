internal import DeviceProfiles
package import MartletTypes

/// What one simulated device is, drawn once from the profile by the fleet's seed and the device's number.
package struct DeviceTraits: Sendable, Hashable {
    /// Its place in the fleet, from 0.
    package let number: Int
    package let device: DeviceID
    package let journal: JournalID
    package let labels: Labels
    /// The name of its hardware profile.
    package let hardware: String
    /// Bytes per second of its link.
    package let bytesPerSecond: Double
    /// By how much its clock is wrong.
    package let clockSkew: Duration
    /// Whether it goes away now and then.
    package let goesAway: Bool
    /// The seed of the fleet, from which all its dice come.
    let seed: UInt64

    /// Throws `InvalidValue` where prefix or labels are none.
    package init(number: Int, seed: UInt64, prefix: String, profile: FleetProfile) throws {
        self.number = number
        self.seed = seed
        device = try DeviceID(Self.name(prefix, number))
        var ids = SeededRandom(seed: seed, "journal", UInt64(number))
        journal = try JournalID(Hex.encode((0..<16).map { _ in UInt8.random(in: 0...255, using: &ids) }))
        var random = SeededRandom(seed: seed, "traits", UInt64(number))
        hardware = Self.pick(profile.hardware, &random) ?? "generic"
        bytesPerSecond = profile.linkMegabits.sample(&random, atLeast: 0.01) * 1_000_000 / 8
        clockSkew = .milliseconds(Int64(profile.clockSkewSeconds.sample(&random) * 1000))
        goesAway = random.happens(profile.away.share)
        var values: [String: String] = [:]
        for (key, choices) in profile.labels.sorted(by: { $0.key < $1.key }) {
            values[key] = Self.pick(choices, &random)
        }
        labels = try Labels(values)
    }

    /// What its own clock says.
    package func ownTime(_ now: Timestamp) -> Timestamp { now + clockSkew }

    /// A stream of dice of this device for one question.
    func random(_ purpose: String) -> SeededRandom { SeededRandom(seed: seed, purpose, UInt64(number)) }

    /// `sim-00042`: of one width, so that lists are in order.
    private static func name(_ prefix: String, _ number: Int) -> String {
        let digits = String(number)
        return prefix + "-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    private static func pick(_ choices: [String: Double], _ random: inout SeededRandom) -> String? {
        let sorted = choices.sorted { $0.key < $1.key }
        var place = random.unit() * sorted.reduce(0) { $0 + $1.value }
        for (value, weight) in sorted where weight > 0 {
            place -= weight
            if place < 0 { return value }
        }
        return sorted.last { $0.value > 0 }?.key
    }

    /// What the inventory says of the box.
    var facts: HardwareFacts {
        let memory = ByteCount(8 << 30)
        return HardwareFacts(
            architecture: "arm64", cpu: HardwareFacts.CPU(cores: 4),
            memory: HardwareFacts.Memory(total: memory, available: ByteCount(6 << 30)), kernel: "simulated")
    }
}

/// What releases do to one device: every matching effect of the profile together.
struct ReleaseInfluence: Sendable, Hashable {
    /// What an answer's time is multiplied by.
    var slowness = 1.0
    /// The share of answers that fail.
    var errorRate: Double
    var accuracy: Double
    var agreement: Double
    /// How the installation ends early, nil where it does not.
    var failure: ReleaseEffect.Failure?

    init(_ releases: [ReleasePath], on device: DeviceTraits, profile: FleetProfile, attempt: Int) {
        errorRate = profile.requests.errorRate
        accuracy = profile.requests.accuracy
        agreement = profile.requests.agreement
        for (index, effect) in profile.effects.enumerated() {
            guard effect.release.map(releases.contains) ?? true, effect.devices.matches(device.labels) else { continue }
            let name = "effect \(index) " + releases.map(\.text).joined(separator: "+")
            var random = device.random(name)
            guard random.happens(effect.share) else { continue }
            slowness *= 1 + effect.slowerPercent / 100
            errorRate = min(1, errorRate + effect.errorRate)
            accuracy = effect.accuracy ?? accuracy
            agreement = effect.agreement ?? agreement
            if let failure = effect.failure, self.failure == nil {
                if failure.isTransient { random = device.random("\(name) attempt \(attempt)") }
                if random.happens(failure.share) { self.failure = failure }
            }
        }
    }
}
