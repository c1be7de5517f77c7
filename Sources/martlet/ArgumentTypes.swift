import ArgumentParser
import MartletAPI
import MartletTypes

// Names of the glossary are parsed by `transform:` at each argument, so that a wrong one is refused with its rule;
// these are the closed sets, whose values the help lists.

extension Role: ExpressibleByArgument {}
extension DeviceInfo.Standing: ExpressibleByArgument {}
extension RolloutAction: ExpressibleByArgument {}
extension RolloutPolicy.OnFailure: ExpressibleByArgument {}
extension Pooling: ExpressibleByArgument {}

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
struct TimeSpan: Sendable, CustomStringConvertible {
    let seconds: Int64
    private static let units: [(Character, Int64)] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]
    /// Ten years: what is longer is a typing error.
    private static let longest: Int64 = 3660 * 86_400

    init(seconds: Int64) { self.seconds = seconds }

    /// Throws `InvalidValue`.
    init(_ text: String) throws {
        guard let unit = text.last, let factor = Self.units.first(where: { $0.0 == unit })?.1,
            let count = Int64(text.dropLast()), count >= 0, count <= Self.longest / factor
        else {
            throw InvalidValue(
                kind: "length of time", value: text, rule: "a whole number and s, m, h or d, at most 3660d, e.g. 15m")
        }
        seconds = count * factor
    }

    /// In the largest unit that divides it.
    var description: String {
        let unit = Self.units.first { seconds.isMultiple(of: $0.1) } ?? ("s", 1)
        return "\(seconds / unit.1)\(unit.0)"
    }

    var duration: Duration { .seconds(seconds) }
}

/// A whole number of something, with its bounds.
enum Count {
    /// At least one.
    static func positive(_ text: String) throws -> Int { try number(text, from: 1) }

    /// None or more.
    static func natural(_ text: String) throws -> Int { try number(text, from: 0) }

    private static func number(_ text: String, from least: Int) throws -> Int {
        guard let value = Int(text), (least...Int(Int32.max)).contains(value) else {
            throw InvalidValue(kind: "number", value: text, rule: "a whole number from \(least) on")
        }
        return value
    }
}
