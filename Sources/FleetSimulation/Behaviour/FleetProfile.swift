package import MartletTypes

/// What a fleet is like: the distributions from which each device is drawn. Every field may be left out.
package struct FleetProfile: Sendable, Hashable {
    /// Labels by key, each value with its weight: `site: {berlin: 3, paris: 1}`.
    package var labels: [String: [String: Double]] = [:]
    /// Hardware profiles by name with their weights.
    package var hardware: [String: Double] = ["generic": 1]
    /// Megabits per second of a device's link.
    package var linkMegabits: Distribution = .logNormal(median: 20, sigma: 0.8)
    /// Megabytes that an installation fetches.
    package var releaseMegabytes: Distribution = .constant(300)
    /// Seconds of the stages of an installation.
    package var installation = InstallationTimes()
    /// Seconds by which a device's clock is wrong.
    package var clockSkewSeconds: Distribution = .normal(mean: 0, deviation: 1)
    /// How devices go and come back.
    package var away = AwayPattern()
    /// What is asked of the models, and how fast they answer.
    package var requests = RequestLoad()
    /// How well devices behave when they report.
    package var reports = ReportManners()
    /// What releases do to devices; all that match add up.
    package var effects: [ReleaseEffect] = []
    /// How much faster than real time everything that is simulated goes: 10 makes a minute of installing six seconds.
    package var timeScale = 1.0

    package init() {}

    /// A profile's problem, nil where it is sound.
    package var problem: String? {
        if !(timeScale > 0 && timeScale <= 10_000) { return "timeScale must be above 0 and at most 10000" }
        let weights = labels.values.flatMap(\.values) + hardware.values
        if weights.contains(where: { !($0 >= 0 && $0.isFinite) }) { return "a weight is 0 or above" }
        if (Array(labels.values) + [hardware]).contains(where: { $0.values.reduce(0, +) <= 0 }) {
            return "of the values of one label, and of the hardware, one at least has a weight above 0"
        }
        let shares =
            [away.share, reports.doubled, reports.reversed, reports.repeatedLater, reports.lostAnswer]
            + [requests.errorRate] + effects.flatMap(\.shares)
        if shares.contains(where: { !(0...1).contains($0) }) { return "a share is between 0 and 1" }
        if !(requests.perMinute >= 0 && requests.everySeconds >= 1) {
            return "requests.perMinute is 0 or above, requests.everySeconds 1 or above"
        }
        return nil
    }
}

/// Seconds of the stages of an installation, beside the download.
package struct InstallationTimes: Sendable, Hashable {
    /// Hashing and checking.
    package var verify: Distribution = .uniform(2, 6)
    /// Until the candidate is ready and has answered its probes and its evaluation.
    package var probe: Distribution = .uniform(5, 20)
    /// Until the gateway's route is switched.
    package var switching: Distribution = .uniform(0.1, 1)
    /// All of going back to what is on the disk.
    package var restore: Distribution = .uniform(0.5, 2)

    package init() {}
}

/// How devices go away (off, or without a network) and come back.
package struct AwayPattern: Sendable, Hashable {
    /// The share of devices that do so at all.
    package var share = 0.0
    /// Seconds for which such a device is here, then away.
    package var hereSeconds: Distribution = .exponential(mean: 3600)
    package var awaySeconds: Distribution = .exponential(mean: 600)

    package init() {}
}

/// What is asked of the models.
package struct RequestLoad: Sendable, Hashable {
    /// Requests a minute to each slot.
    package var perMinute = 12.0
    /// Seconds between two exports of measurements.
    package var everySeconds = 60.0
    /// Seconds of an answer.
    package var durationSeconds: Distribution = .logNormal(median: 0.8, sigma: 0.4)
    /// The share of answers that fail.
    package var errorRate = 0.001
    /// The share of right answers in an evaluation.
    package var accuracy = 0.95
    /// The share of shadowed answers that agree.
    package var agreement = 0.97

    package init() {}
}

/// How well devices report. Whatever they do is allowed by the protocol: at least once, in any packing.
package struct ReportManners: Sendable, Hashable {
    /// Seconds by which a report comes late.
    package var lateSeconds: Distribution = .constant(0)
    /// The share of batches that are sent twice in a row.
    package var doubled = 0.0
    /// The share of batches whose reports stand in the wrong order.
    package var reversed = 0.0
    /// The share of batches that come once more after newer ones.
    package var repeatedLater = 0.0
    /// The share of batches whose answer is not waited for: the connection is cut, and they are sent again.
    package var lostAnswer = 0.0

    package init() {}
}

/// What a release does to the devices that install it.
package struct ReleaseEffect: Sendable, Hashable {
    /// An installation that fails.
    package struct Failure: Sendable, Hashable {
        /// The share of the effect's devices on which it fails.
        package var share: Double
        /// The stage at which it fails: downloading, verifying, probing, switching or soaking.
        package var at: DeviceRolloutState
        /// The report's code, e.g. `evaluationFailed`, `engineExited`, `digestMismatch`.
        package var code: String
        /// Whether a second attempt on the same device may succeed.
        package var isTransient: Bool

        package init(
            share: Double, at: DeviceRolloutState = .probing, code: String = "probeFailed", isTransient: Bool = false
        ) {
            self.share = share
            self.at = at
            self.code = code
            self.isTransient = isTransient
        }
    }

    /// The release, as `clinic/triage:2.0.0`; nil is every release.
    package var release: ReleasePath?
    /// The devices, by their labels; empty is all.
    package var devices: LabelSelector
    /// The share of these that it concerns, the same ones for the same seed.
    package var share = 1.0
    /// By how many percent answers take longer.
    package var slowerPercent = 0.0
    /// What is added to the share of answers that fail.
    package var errorRate = 0.0
    /// The share of right answers in an evaluation; nil leaves it.
    package var accuracy: Double?
    /// The share of shadowed answers that agree; nil leaves it.
    package var agreement: Double?
    package var failure: Failure?

    package init(release: ReleasePath? = nil, devices: LabelSelector) {
        self.release = release
        self.devices = devices
    }

    var shares: [Double] {
        [share, errorRate] + [accuracy, agreement, failure?.share].compactMap(\.self)
    }
}
