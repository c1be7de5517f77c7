package import MartletAPI
package import MartletTypes
import RolloutPolicyFile

/// What a rollout would do, in lines for people.
package struct PlanText: Sendable {
    private let plan: RolloutPlan
    private let policy: RolloutPolicy

    package init(_ plan: RolloutPlan, _ policy: RolloutPolicy) {
        self.plan = plan
        self.policy = policy
    }

    /// Devices of a wave, and skipped ones, that are named; the rest are counted.
    private static let named = 10

    package var lines: [String] {
        let devices = plan.waves.reduce(0) { $0 + $1.devices.count }
        var lines = [
            devices == 0
                ? "No device would be moved."
                : "\(RolloutWords.count(devices, "device")) in \(RolloutWords.count(plan.waves.count, "wave")). "
                    + "Nothing happens before `martlet rollout start` with the same words.", "",
        ]
        lines += plan.waves.enumerated().flatMap { wave($0, $1) }
        if lines.last == "" { lines.removeLast() }
        if !plan.skipped.isEmpty { lines += [""] + skipped }
        lines += section("Gates", policy.gates.map(Self.words) + policy.thresholds.map(Self.words) + maxFailures)
        lines += section("On the devices", conditions)
        lines += ["", pace]
        if !plan.supersedes.isEmpty {
            lines.append("Takes devices over from \(plan.supersedes.map(\.text).joined(separator: ", ")).")
        }
        lines.append("On failure: \(Self.words(policy.onFailure)).")
        return lines
    }

    private func section(_ title: String, _ items: [String]) -> [String] {
        items.isEmpty ? [] : ["", title] + items.map { "  " + $0 }
    }

    private func wave(_ index: Int, _ wave: RolloutPlan.Wave) -> [String] {
        var facts = [RolloutWords.count(wave.devices.count, "device")]
        if let size = wave.size { facts.append("up to \(size.description)") }
        if let selector = wave.selector { facts.append(selector.text) }
        var after: [String] = []
        if index < plan.waves.count - 1 {
            if wave.soakSeconds > 0 { after.append("soaks \(PolicyNotation.duration(wave.soakSeconds))") }
            if wave.confirm { after.append("waits until a person confirms") }
        }
        let then = after.isEmpty ? "" : "; then " + after.joined(separator: ", ")
        let names = wave.devices.prefix(Self.named).map(\.text).joined(separator: ", ")
        let more = wave.devices.count > Self.named ? " and \(wave.devices.count - Self.named) more" : ""
        return ["wave \(index + 1)  \(facts.joined(separator: ", "))\(then)"]
            + (names.isEmpty ? [] : ["  " + names + more])
    }

    private var skipped: [String] {
        let shown = plan.skipped.prefix(Self.named * 2).map { "  \($0.device)  \($0.code): \($0.reason)" }
        let rest = plan.skipped.count - shown.count
        return ["Passed over (\(plan.skipped.count))"] + shown + (rest > 0 ? ["  and \(rest) more"] : [])
    }

    private var maxFailures: [String] {
        guard let most = policy.maxFailures else { return [] }
        return [most == 0 ? "no device may fail" : "at most \(RolloutWords.count(most, "failed device"))"]
    }

    private static func words(_ gate: RolloutGatePolicy) -> String {
        let standing = GateLine(GateStanding(gate: gate))
        var words = "\(gate.metric.rawValue) \(standing.limits)"
        let least = RolloutWords.count(gate.minDevices, "device")
        words += ", every \(PolicyNotation.duration(gate.intervalSeconds)), from \(least) on"
        return words + (gate.onFailure.map { "; else \(self.words($0))" } ?? "")
    }

    private static func words(_ threshold: FailureThreshold) -> String {
        let outcomes = threshold.outcomes.map(\.rawValue).joined(separator: ", ")
        let causes = threshold.causes.isEmpty ? "" : " (\(threshold.causes.joined(separator: ", ")))"
        let share = PolicyNotation.percent(threshold.maxShare)
        return "at most \(share) \(outcomes)\(causes), from \(RolloutWords.count(threshold.minCompleted, "device")) on"
            + (threshold.onFailure.map { "; else \(words($0))" } ?? "")
    }

    private static func words(_ outcome: RolloutPolicy.OnFailure) -> String {
        switch outcome {
        case .pause: "it pauses"
        case .stop: "it ends, devices keep what they have"
        case .rollbackWave: "the wave at work goes back, then it pauses"
        case .rollbackAll: "every moved device goes back"
        }
    }

    private var conditions: [String] {
        let conditions = plan.conditions
        var items = conditions.windows.map { "begin \(PolicyNotation.text($0)), by their own clocks" }
        if let idle = conditions.idleSeconds {
            items.append("switch after \(PolicyNotation.duration(idle)) without a request")
        }
        if conditions.onMains { items.append("on mains power") }
        if let below = conditions.belowCelsius { items.append("below \(below) °C") }
        if conditions.jitterSeconds > 0 {
            items.append("after a random wait up to \(PolicyNotation.duration(conditions.jitterSeconds))")
        }
        if let rate = conditions.bytesPerSecond { items.append("fetch with at most \(PolicyNotation.rate(rate))") }
        if let shadow = policy.shadow {
            let share = PolicyNotation.percent(Double(shadow.sharePermille) / 1000)
            items.append(
                "\(share) of live requests shadowed, to \(shadow.samples) answers (\(shadow.comparison.rawValue))")
        }
        return items
    }

    private var pace: String {
        var parts: [String] = []
        if let most = plan.maxInFlight { parts.append("at most \(most) at work at once") }
        if let rate = policy.rate {
            var words = "\(PolicyNotation.number(rate.perMinute)) started a minute"
            if rate.growth > 1 {
                let successes = rate.growAfter == 1 ? "success" : "\(rate.growAfter) successes"
                words += ", × \(PolicyNotation.number(rate.growth)) after each \(successes)"
            }
            parts.append(words)
        }
        let least = Elapsed.text(.seconds(plan.leastSeconds))
        parts.append("takes at least \(least), and what devices need to fetch and to start it")
        return parts.joined(separator: "; ").prefix(1).uppercased() + parts.joined(separator: "; ").dropFirst() + "."
    }
}
