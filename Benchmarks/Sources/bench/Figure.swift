/// Something that is measured, on Martlet and where possible on a peer; one or more rows of the table.
struct Figure {
    /// One row: one value of each run.
    struct Column {
        /// Empty where the figure has this row only; else `FIGURE.name` is the row's name.
        let name: String
        /// The unit of all its values: `MB/s`, `ms`, `requests`.
        let unit: String
        /// What Martlet's value should reach, in words: `<= 13`; nil where none was set.
        let goal: String?
        /// What the peer is, in words a reader can repeat; nil where there is nothing to compare with.
        let peer: String?

        init(_ name: String = "", unit: String, goal: String? = nil, peer: String? = nil) {
            self.name = name
            self.unit = unit
            self.goal = goal
            self.peer = peer
        }
    }

    /// What was prepared once and is measured several times.
    struct Session {
        /// One run on Martlet: a value for every column, by the column's name.
        let martlet: () throws -> [String: Double]
        /// One run on the peer: a value for every column that has a peer.
        let peer: (() throws -> [String: Double])?
        /// Ends what was started.
        let end: () -> Void

        init(
            martlet: @escaping () throws -> [String: Double], peer: (() throws -> [String: Double])? = nil,
            end: @escaping () -> Void = {}
        ) {
            self.martlet = martlet
            self.peer = peer
            self.end = end
        }
    }

    /// The name, by which `FILTER` finds it: `install-throughput`.
    let name: String
    /// How often it is measured; odd, so that the median is a value that was seen.
    let runs: Int
    /// Its rows.
    let columns: [Column]
    /// Starts registry, devices and peers.
    let prepare: (Workbench) throws -> Session

    init(_ name: String, runs: Int, _ columns: [Column], prepare: @escaping (Workbench) throws -> Session) {
        self.name = name
        self.runs = runs
        self.columns = columns
        self.prepare = prepare
    }

    /// Measures: Martlet and the peer in turn, so that both see the same noise.
    func measure(_ workbench: Workbench) throws -> [ResultRow] {
        let session = try prepare(try workbench.scratch(name))
        defer { session.end() }
        var own: [[String: Double]] = []
        var others: [[String: Double]] = []
        for run in 1...runs {
            own.append(try session.martlet())
            if let peer = session.peer { others.append(try peer()) }
            complain("  run \(run): \(told(own.last)) against \(told(others.last))")
        }
        return try columns.map { column in
            let name = column.name.isEmpty ? self.name : self.name + "." + column.name
            let value = median(try values(of: column.name, in: own))
            let other = try column.peer.map { _ in median(try values(of: column.name, in: others)) }
            return ResultRow(
                figure: name, martlet: value, peer: other, peerName: column.peer, unit: column.unit,
                ratio: other.flatMap { $0 == 0 ? nil : value / $0 }, goal: column.goal, runs: runs)
        }
    }

    private func told(_ values: [String: Double]?) -> String {
        guard let values else { return "nothing" }
        return values.sorted { $0.key < $1.key }.map { "\($0.key) \(short($0.value))" }.joined(separator: ", ")
    }

    private func values(of column: String, in runs: [[String: Double]]) throws -> [Double] {
        let found = runs.compactMap { $0[column] }
        guard found.count == self.runs else { throw BenchError("\(name) \(column) has no value in some run") }
        return found
    }
}

/// The middle value; the mean of the two in the middle for an even count; 0 for none.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}
