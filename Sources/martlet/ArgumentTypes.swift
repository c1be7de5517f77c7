import ArgumentParser
import MartletAPI
import MartletTypes

// Names of the glossary are parsed by `transform:` at each argument, so that a wrong one is refused with its rule;
// these
// are the closed sets, whose values the help lists.

extension Role: ExpressibleByArgument {}
extension RolloutAction: ExpressibleByArgument {}
extension RolloutPolicy.OnFailure: ExpressibleByArgument {}

/// `KEY=VALUE` options as labels.
func labels(from options: [String]) throws -> Labels {
    var values: [String: String] = [:]
    for option in options {
        let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw InvalidValue(kind: "label", value: option, rule: "KEY=VALUE, e.g. site=berlin")
        }
        values[String(parts[0])] = String(parts[1])
    }
    return try Labels(values)
}

/// A length of time: `90s`, `15m`, `12h`, `30d`.
struct TimeSpan: ExpressibleByArgument, Sendable {
    let seconds: Int64

    init(seconds: Int64) { self.seconds = seconds }

    /// How it is shown as a default.
    var defaultValueDescription: String {
        let units: [(String, Int64)] = [("d", 86_400), ("h", 3600), ("m", 60)]
        guard let (unit, factor) = units.first(where: { seconds.isMultiple(of: $0.1) }) else { return "\(seconds)s" }
        return "\(seconds / factor)\(unit)"
    }

    init?(argument: String) {
        let factors: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = argument.last, let factor = factors[unit], let count = Int64(argument.dropLast()), count > 0,
            count <= Int64.max / factor
        else { return nil }
        seconds = count * factor
    }
}
