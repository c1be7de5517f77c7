/// What somebody may have meant.
enum Spelling {
    /// `Did you mean "soak"?`, or all that there is.
    static func remedy(for text: String, among names: [String]) -> String {
        let near = names.map { ($0, distance(text, $0)) }.min { $0.1 < $1.1 }
        guard let near, near.1 <= max(1, min(text.count, near.0.count) / 3) else {
            return "It may be one of \(names.joined(separator: ", "))."
        }
        return "Did you mean \"\(near.0)\"?"
    }

    /// Letters to change, add, leave out or swap, without regard to case and underscores
    /// (the restricted distance of Damerau and Levenshtein).
    static func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left.prefix(64).lowercased().filter { $0 != "_" && $0 != "-" })
        let b = Array(right.prefix(64).lowercased().filter { $0 != "_" && $0 != "-" })
        var rows = [Array(0...b.count)]
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                let change = rows[i][j] + (a[i] == b[j] ? 0 : 1)
                var best = min(change, rows[i][j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
