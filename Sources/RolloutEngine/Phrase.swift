internal import Glibc
internal import MartletTypes

/// The sentences in which decisions give their reasons.
enum Phrase {
    /// `1 device`, `5 devices`.
    static func devices(_ count: Int) -> String { Self.count(count, "device") }

    /// `1 wave`, `5 waves`.
    static func count(_ count: Int, _ word: String) -> String { count == 1 ? "1 \(word)" : "\(count) \(word)s" }

    /// `pi-1, pi-2 and 7 more`; `count` is how many there are where `devices` is only the first of them.
    static func names(_ devices: [DeviceID], of count: Int? = nil) -> String {
        let named = devices.prefix(RolloutLimits.devicesNamed).map(\.text).joined(separator: ", ")
        let rest = (count ?? devices.count) - RolloutLimits.devicesNamed
        return rest > 0 ? "\(named) and \(rest) more" : named
    }

    /// Why devices failed, by cause: `evaluationFailed on pi-1 (accuracy 0.83 < 0.90), pi-2; engineExited on pi-3`.
    static func causes(_ members: [RolloutMember]) -> String {
        let byCause = Dictionary(grouping: members) { $0.code ?? $0.state.rawValue }
        return byCause.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }.map { code, members in
            let named = members.prefix(RolloutLimits.devicesNamed).map { $0.device.text + detail(of: $0) }
            let rest = members.count - RolloutLimits.devicesNamed
            return "\(code) on \(named.joined(separator: ", "))" + (rest > 0 ? " and \(rest) more" : "")
        }.joined(separator: "; ")
    }

    private static func detail(of member: RolloutMember) -> String {
        if let evaluation = member.evaluation, let least = evaluation.minAccuracy, !evaluation.passed {
            return " (accuracy \(ProofFigures.share(evaluation.accuracy)) < \(ProofFigures.share(least)))"
        }
        guard let message = member.message, !message.isEmpty else { return "" }
        let most = RolloutLimits.messageCharacters
        return message.count > most ? " (\(message.prefix(most - 1))…)" : " (\(message))"
    }

    /// How a rollout came out: `8 of 10 devices succeeded; 1 failed: …; 1 unreachable: pi-7`.
    static func outcome(_ members: [RolloutMember]) -> String {
        let succeeded = members.filter { $0.state == .succeeded }.count
        var parts = ["\(succeeded) of \(devices(members.count)) succeeded"]
        let failed = members.filter(\.hasFailed)
        if !failed.isEmpty { parts.append("\(failed.count) failed: \(causes(failed))") }
        let refused = members.filter { $0.outcome == .refused }
        if !refused.isEmpty { parts.append("\(refused.count) refused: \(causes(refused))") }
        for state in [DeviceRolloutState.unreachable, .skipped, .superseded, .rolledBack] {
            let found = members.filter { $0.state == state && !$0.hasFailed && !$0.isRefused }.map(\.device)
            guard !found.isEmpty else { continue }
            let word = state == .rolledBack ? "rolled back" : state.rawValue
            parts.append("\(found.count) \(word): \(names(found))")
        }
        return parts.joined(separator: "; ")
    }

    /// Three digits that mean something: `0.0123`, `1.52`, `184`; more of a large whole number.
    static func number(_ value: Double, digits: Int = 3) -> String {
        guard value.isFinite else { return value.isNaN ? "?" : value > 0 ? "∞" : "-∞" }
        guard value != 0 else { return "0" }
        guard abs(value) < 1e15 else { return "\(value)" }
        let places = max(0, min(9, digits - 1 - Int(log10(abs(value)).rounded(.down))))
        let scale = pow(10, Double(places))
        let whole = Int64((abs(value) * scale).rounded())
        let unit = Int64(scale)
        let fraction = String(whole % unit)
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard places > 0 else { return sign + String(whole) }
        return "\(sign)\(whole / unit)." + String(repeating: "0", count: places - fraction.count) + fraction
    }

    /// Two numbers with as many digits as it takes to tell them apart: `1.52`, `1.20`.
    static func numbers(_ one: Double, _ other: Double) -> (String, String) {
        for digits in 3..<9 where one != other {
            let pair = (number(one, digits: digits), number(other, digits: digits))
            if pair.0 != pair.1 { return pair }
        }
        return (number(one), number(other))
    }

    /// `12.3 %`.
    static func percent(_ share: Double) -> String { "\(number(share * 100)) %" }
}
