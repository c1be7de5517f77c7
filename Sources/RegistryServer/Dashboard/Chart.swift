import MartletTypes

/// A line chart as inline SVG, drawn here so that pages need no script. Gaps in the data stay gaps.
struct Chart {
    struct Point {
        let time: Timestamp
        let value: Double
    }

    let title: String
    let points: [Point]
    let start: Timestamp
    let end: Timestamp
    /// How a value is written on the axis.
    let format: @Sendable (Double) -> String

    private static let width = 360.0
    private static let height = 130.0
    private static let left = 60.0
    private static let right = 10.0
    private static let top = 10.0
    private static let bottom = 22.0
    /// Points further apart than this are not joined.
    private static let gap = Duration.seconds(180)

    /// The newest value in words; a dash where there is none.
    var latest: String { points.last.map { format($0.value) } ?? "–" }

    /// The picture, with a title and description for who cannot see it.
    var svg: String {
        let top = Self.niceCeiling(points.map(\.value).max() ?? 0)
        var parts = [
            "<svg class=\"chart\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\">",
            "<title>\(Self.escape(title))</title>",
        ]
        for share in [0.0, 0.5, 1.0] {
            let y = Self.number(ordinate(share * top, top))
            parts.append(
                "<line class=\"grid\" x1=\"\(Int(Self.left))\" x2=\"\(Int(Self.width - Self.right))\" "
                    + "y1=\"\(y)\" y2=\"\(y)\"/>"
            )
            parts.append(
                "<text x=\"\(Int(Self.left - 6))\" y=\"\(y)\" dy=\"4\" text-anchor=\"end\">"
                    + "\(Self.escape(format(share * top)))</text>"
            )
        }
        let baseline = Int(Self.height - 5)
        parts.append("<text x=\"\(Int(Self.left))\" y=\"\(baseline)\">60 min ago</text>")
        parts.append("<text x=\"\(Int(Self.width - Self.right))\" y=\"\(baseline)\" text-anchor=\"end\">now</text>")
        for run in runs { parts.append(contentsOf: draw(run, top)) }
        if points.isEmpty {
            parts.append(
                "<text x=\"\(Int((Self.width + Self.left) / 2))\" y=\"\(Int(Self.height / 2))\" "
                    + "text-anchor=\"middle\">no data yet</text>"
            )
        }
        parts.append("</svg>")
        return parts.joined()
    }

    private var runs: [[Point]] {
        var runs: [[Point]] = []
        for point in points.sorted(by: { $0.time < $1.time }) {
            if let last = runs.last?.last, point.time - last.time <= Self.gap {
                runs[runs.count - 1].append(point)
            } else {
                runs.append([point])
            }
        }
        return runs
    }

    private func draw(_ run: [Point], _ top: Double) -> [String] {
        let path = run.map { "\(Self.number(abscissa($0.time))),\(Self.number(ordinate($0.value, top)))" }
        guard let first = run.first, let last = run.last, run.count > 1 else {
            return run.map {
                "<circle class=\"dot\" cx=\"\(Self.number(abscissa($0.time)))\" "
                    + "cy=\"\(Self.number(ordinate($0.value, top)))\" r=\"2.5\"/>"
            }
        }
        let ground = Self.number(ordinate(0, top))
        let area =
            "\(Self.number(abscissa(first.time))),\(ground) " + path.joined(separator: " ")
            + " \(Self.number(abscissa(last.time))),\(ground)"
        return [
            "<polygon class=\"area\" points=\"\(area)\"/>",
            "<polyline class=\"line\" points=\"\(path.joined(separator: " "))\"/>",
        ]
    }

    private func abscissa(_ time: Timestamp) -> Double {
        let share = (time - start).milliseconds / max(1, (end - start).milliseconds)
        return Self.left + min(1, max(0, share)) * (Self.width - Self.left - Self.right)
    }

    private func ordinate(_ value: Double, _ top: Double) -> Double {
        Self.height - Self.bottom - min(1, value / top) * (Self.height - Self.top - Self.bottom)
    }

    /// The next of 1, 2, 5 × 10ⁿ, so that the axis has round numbers.
    static func niceCeiling(_ value: Double) -> Double {
        guard value > 0, value.isFinite else { return 1 }
        var unit = 1.0
        while unit * 10 <= value { unit *= 10 }
        while unit > value { unit /= 10 }
        for factor in [1.0, 2, 5, 10] where factor * unit >= value { return factor * unit }
        return unit * 10
    }

    static func number(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    static func escape(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
    }
}

/// A horizontal bar of parts, e.g. devices by state, as inline SVG.
struct Meter {
    /// The class of the colour and how much.
    let parts: [(tone: String, count: Int)]

    var svg: String {
        let total = parts.reduce(0) { $0 + $1.count }
        let label = parts.filter { $0.count > 0 }.map { "\($0.count) \($0.tone)" }.joined(separator: ", ")
        var text =
            "<svg class=\"meter\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" role=\"img\">"
            + "<title>\(Chart.escape(label))</title><rect class=\"back\" width=\"100\" height=\"10\"/>"
        var x = 0.0
        for part in parts where part.count > 0 && total > 0 {
            let width = Double(part.count) / Double(total) * 100
            text += "<rect class=\"\(part.tone)\" x=\"\(x)\" width=\"\(width)\" height=\"10\"/>"
            x += width
        }
        return text + "</svg>"
    }
}
