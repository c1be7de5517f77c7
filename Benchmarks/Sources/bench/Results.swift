import Foundation

/// One line of `results.json`.
struct ResultRow: Codable, Sendable {
    let figure: String
    let martlet: Double
    let peer: Double?
    let peerName: String?
    let unit: String
    let ratio: Double?
    let goal: String?
    let runs: Int

    private enum Keys: String, CodingKey { case figure, martlet, peer, peerName, unit, ratio, goal, runs }

    // Written by hand so that what is absent is null: every row has every field.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(figure, forKey: .figure)
        try container.encode(martlet, forKey: .martlet)
        try container.encode(peer, forKey: .peer)
        try container.encode(peerName, forKey: .peerName)
        try container.encode(unit, forKey: .unit)
        try container.encode(ratio, forKey: .ratio)
        try container.encode(goal, forKey: .goal)
        try container.encode(runs, forKey: .runs)
    }
}

/// The file that collects the figures of all runs: a new value replaces the row of the same figure.
struct ResultsFile {
    let url: URL

    /// Puts rows in, keeps the rows of other figures, and writes the file whole or not at all.
    func merge(_ rows: [ResultRow]) throws {
        var all: [ResultRow] = []
        if FileManager.default.fileExists(atPath: url.path) {
            all = try JSONDecoder().decode([ResultRow].self, from: Data(contentsOf: url))
        }
        for row in rows {
            if let index = all.firstIndex(where: { $0.figure == row.figure }) {
                all[index] = row
            } else {
                all.append(row)
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try encoder.encode(all).write(to: url, options: .atomic)
    }
}

/// The rows as a table for people.
func table(_ rows: [ResultRow]) -> String {
    let head = ["figure", "martlet", "peer", "unit", "ratio", "goal", "runs", "compared with"]
    let body = rows.map { row in
        [
            row.figure, short(row.martlet), row.peer.map(short) ?? "-", row.unit, row.ratio.map(short) ?? "-",
            row.goal ?? "-", "\(row.runs)", row.peerName ?? "-",
        ]
    }
    let widths = head.indices.map { column in ([head] + body).map { $0[column].count }.max() ?? 0 }
    return ([head] + body).map { line in
        zip(line, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
    }.joined(separator: "\n")
}

/// Three significant digits at least, and no digits that noise drowns.
func short(_ value: Double) -> String {
    let digits = abs(value) >= 100 || value == value.rounded() ? 0 : abs(value) >= 10 ? 1 : 3
    return String(format: "%.\(digits)f", value)
}
