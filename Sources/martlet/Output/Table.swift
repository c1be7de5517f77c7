/// Left-aligned columns under upper-case heads, as kubectl prints them.
struct Table: Sendable {
    let heads: [String]
    var rows: [[String]] = []
    var whenEmpty = "none"
    /// Whether the last column is cut where the terminal ends; never where there is none.
    var cutsLast = false

    var text: String {
        guard !rows.isEmpty else { return whenEmpty + "\n" }
        let all = ([heads.map { $0.uppercased() }] + rows).map { $0.map { Printable.text($0) } }
        let widths = heads.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        let width = cutsLast ? StandardOutput.columns : nil
        return all.map { row in
            let cells = row.enumerated().map { index, cell in
                index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
            }
            let line = cells.joined(separator: "   ")
            guard let width, line.count > width else { return line + "\n" }
            return line.prefix(width - 1) + "…\n"
        }.joined()
    }
}

extension Table {
    /// Names and values below each other, for one thing.
    static func facts(_ pairs: [(String, String)]) -> Table {
        var table = Table(heads: ["field", "value"])
        table.rows = pairs.map { [$0.0, $0.1.isEmpty ? "-" : $0.1] }
        return table
    }
}
