internal import Glibc

/// How a quantity is spread over devices or moments.
///
/// In a profile: a number, or an object with one member: `{uniform: [1, 5]}`, `{normal: [20, 3]}`,
/// `{logNormal: [20, 0.5]}` (median, sigma of the logarithm), `{exponential: 30}` (mean).
package enum Distribution: Sendable, Hashable {
    case constant(Double)
    case uniform(Double, Double)
    case normal(mean: Double, deviation: Double)
    case logNormal(median: Double, sigma: Double)
    case exponential(mean: Double)

    /// Draws a value.
    package func sample(_ random: inout SeededRandom) -> Double {
        switch self {
        case .constant(let value): value
        case .uniform(let low, let high): low + (high - low) * random.unit()
        case .normal(let mean, let deviation): mean + deviation * random.normal()
        case .logNormal(let median, let sigma): median * exp(sigma * random.normal())
        case .exponential(let mean): -mean * log(1 - random.unit())
        }
    }

    /// Draws a value that cannot be below `least`, e.g. a time.
    package func sample(_ random: inout SeededRandom, atLeast least: Double) -> Double { max(least, sample(&random)) }

    /// Whether every parameter is a number that makes sense.
    var isSound: Bool {
        switch self {
        case .constant(let value): value.isFinite
        case .uniform(let low, let high): low.isFinite && high.isFinite && low <= high
        case .normal(let mean, let deviation): mean.isFinite && deviation.isFinite && deviation >= 0
        case .logNormal(let median, let sigma): median.isFinite && median > 0 && sigma.isFinite && sigma >= 0
        case .exponential(let mean): mean.isFinite && mean >= 0
        }
    }
}

extension Distribution: Decodable {
    package init(from decoder: any Decoder) throws {
        if let value = try? decoder.singleValueContainer().decode(Double.self) {
            self = .constant(value)
        } else {
            let fields = try decoder.container(keyedBy: FieldName.self)
            guard let field = fields.allKeys.first, fields.allKeys.count == 1 else {
                throw Self.unsound(decoder)
            }
            if field.stringValue == "exponential" {
                self = .exponential(mean: try fields.decode(Double.self, forKey: field))
            } else {
                let values = try fields.decode([Double].self, forKey: field)
                guard values.count == 2 else { throw Self.unsound(decoder) }
                switch field.stringValue {
                case "uniform": self = .uniform(values[0], values[1])
                case "normal": self = .normal(mean: values[0], deviation: values[1])
                case "logNormal": self = .logNormal(median: values[0], sigma: values[1])
                default: throw Self.unsound(decoder)
                }
            }
        }
        guard isSound else { throw Self.unsound(decoder) }
    }

    private static func unsound(_ decoder: any Decoder) -> DecodingError {
        .dataCorrupted(
            .init(
                codingPath: decoder.codingPath,
                debugDescription: "a distribution is a number, {uniform: [LOW, HIGH]}, {normal: [MEAN, DEVIATION]}, "
                    + "{logNormal: [MEDIAN, SIGMA]} or {exponential: MEAN}"))
    }
}

/// The name of a field in a profile, known or not.
struct FieldName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { return nil }
}

extension Decoder {
    /// Throws where an object has a field that nobody knows: a typing error must not pass for a default.
    func refuseFields(beyond known: Set<String>) throws {
        let fields = try container(keyedBy: FieldName.self)
        for field in fields.allKeys where !known.contains(field.stringValue) {
            throw DecodingError.dataCorruptedError(
                forKey: field, in: fields,
                debugDescription: "there is no such field; there are \(known.sorted().joined(separator: ", "))")
        }
    }
}
