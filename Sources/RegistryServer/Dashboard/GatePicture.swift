import MartletAPI
import MartletTypes

/// One measurement of a gate as a small inline SVG: what was found with its interval, against the bound.
struct GatePicture {
    private let point: Double
    private let interval: ClosedRange<Double>?
    private let bound: Double
    private let tone: String
    private let label: String

    private static let width = 200.0
    private static let height = 30.0

    /// Nil where there is nothing to draw: a gate that had too little data.
    init?(_ result: GateResult) {
        guard let bound = result.bound, let point = result.effect ?? result.value, point.isFinite, bound.isFinite
        else { return nil }
        self.point = point
        self.bound = bound
        if let low = result.low, let high = result.high, low.isFinite, high.isFinite, low <= high {
            interval = low...high
        } else {
            interval = nil
        }
        tone = ["passed": "good", "failed": "bad"][result.verdict] ?? "warn"
        label = result.sentence
    }

    var svg: String {
        let ends = [point, bound, interval?.lowerBound ?? point, interval?.upperBound ?? point]
        let low = ends.min() ?? 0
        let high = ends.max() ?? 1
        let margin = max((high - low) * 0.15, abs(high) * 0.01, 1e-9)
        func x(_ value: Double) -> String {
            let share = (value - low + margin) / (high - low + 2 * margin)
            return Chart.number(min(1, max(0, share)) * Self.width)
        }
        let middle = Chart.number(Self.height / 2)
        var parts = [
            "<svg class=\"gate\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\">",
            "<title>\(Chart.escape(label))</title>",
            "<line class=\"axis\" x1=\"0\" x2=\"\(Int(Self.width))\" y1=\"\(middle)\" y2=\"\(middle)\"/>",
        ]
        if let interval {
            parts.append(
                "<line class=\"interval \(tone)\" x1=\"\(x(interval.lowerBound))\" x2=\"\(x(interval.upperBound))\" "
                    + "y1=\"\(middle)\" y2=\"\(middle)\"/>")
        }
        parts.append(
            "<line class=\"bound\" x1=\"\(x(bound))\" x2=\"\(x(bound))\" y1=\"3\" y2=\"\(Int(Self.height - 3))\"/>")
        parts.append("<circle class=\"point \(tone)\" cx=\"\(x(point))\" cy=\"\(middle)\" r=\"5\"/>")
        return parts.joined() + "</svg>"
    }
}
