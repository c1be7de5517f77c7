/// How figures of evaluations and of shadowing are written for people. They are numbers of another machine: what is no
/// share or no number of milliseconds is shown as 0, and nothing overflows.
package enum ProofFigures {
    /// Two digits after the point, rounded down: 0.899 is not 0.90.
    package static func share(_ value: Double) -> String {
        let hundredths = value.isFinite ? Int((min(max(value, 0), 1) * 100 + 1e-9).rounded(.down)) : 0
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }

    /// Whole milliseconds.
    package static func milliseconds(_ value: Double) -> Int {
        value.isFinite ? Int(min(max(value, 0), 1e12).rounded()) : 0
    }
}
