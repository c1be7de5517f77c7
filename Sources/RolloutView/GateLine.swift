package import MartletAPI
import MartletTypes
import RolloutPolicyFile

/// How a gate stands, in one line: its numbers against its limit.
package struct GateLine: Sendable {
    private let standing: GateStanding

    package init(_ standing: GateStanding) { self.standing = standing }

    package var line: StyledLine {
        let metric = standing.gate.metric
        var line = StyledLine("  \(mark.text) ", mark.shade)
        line.add(Columns.pad(metric.rawValue, 27))
        guard let result = standing.result else {
            line.add("not measured yet; \(limits)", .faint)
            return line
        }
        line.add(numbers(result), mark.shade)
        let rest = tail(result)
        if !rest.isEmpty { line.add("  " + rest, .faint) }
        return line
    }

    private var mark: (text: String, shade: Shade) {
        switch standing.result?.verdict {
        case "passed": ("✓", .good)
        case "failed": ("✗", .bad)
        case nil: ("·", .faint)
        default: ("?", .warning)
        }
    }

    /// `82ms against 40ms: × 2.05, at most × 1.20`, or `91 °C, at most 85 °C`.
    private func numbers(_ result: GateResult) -> String {
        guard let value = result.value else { return "too little data; \(limits)" }
        let metric = standing.gate.metric
        let measured = PolicyNotation.quantity(value, of: metric)
        guard let baseline = result.baseline else { return "\(measured), \(limits)" }
        let effect = result.effect.map { metric.isProportion ? Self.points($0) : "× \(Self.hundredths($0))" }
        let found = effect.map { ": \($0)" } ?? ""
        return "\(measured) against \(PolicyNotation.quantity(baseline, of: metric))\(found), \(limits)"
    }

    /// What the policy demands: `at most 85 °C`, `at most × 1.20`.
    var limits: String {
        let gate = standing.gate
        var parts: [String] = []
        if let most = gate.max { parts.append("at most \(PolicyNotation.quantity(most, of: gate.metric))") }
        if let least = gate.min { parts.append("at least \(PolicyNotation.quantity(least, of: gate.metric))") }
        if let baseline = gate.baseline {
            let (most, least) = ("at most", "at least")
            let isHigher = gate.metric.isBetterHigher
            if gate.metric.isProportion {
                parts.append(
                    "\(isHigher ? least : most) \(Self.points(isHigher ? -baseline.tolerance : baseline.tolerance))")
            } else {
                let ratio = isHigher ? 1 / max(baseline.tolerance, 0.001) : baseline.tolerance
                parts.append("\(isHigher ? least : most) × \(Self.hundredths(ratio))")
            }
        }
        return parts.joined(separator: ", ")
    }

    private func tail(_ result: GateResult) -> String {
        var parts: [String] = []
        if result.devices > 0 || result.baselineDevices > 0 {
            let others = result.baselineDevices
            parts.append(
                others > 0
                    ? "\(result.devices) against \(RolloutWords.count(others, "device"))"
                    : RolloutWords.count(result.devices, "device"))
        }
        if standing.failures > 0 {
            parts.append("failed \(standing.failures) (\(standing.gate.failureLimit) let pass)")
        }
        if standing.inconclusive > 0 {
            parts.append("too little data \(standing.inconclusive) of \(standing.gate.inconclusiveLimit)")
        }
        if result.verdict == "failed", let worst = result.worst.first { parts.append("worst \(worst)") }
        return parts.joined(separator: ", ")
    }

    private static func points(_ value: Double) -> String {
        (value < 0 ? "-" : "+") + hundredths(abs(value) * 100) + " points"
    }

    private static func hundredths(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e9 else { return "\(value)" }
        let whole = Int((value * 100).rounded())
        return "\(whole / 100).\(whole % 100 < 10 ? "0" : "")\(whole % 100)"
    }
}
