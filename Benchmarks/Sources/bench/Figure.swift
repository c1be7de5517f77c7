/// Something that is measured, on Martlet and where possible on a peer.
struct Figure: Sendable {
    /// What Martlet is compared with.
    struct Peer: Sendable {
        /// What it is, in words a reader can repeat: `curl -o, then openssl dgst -sha256`.
        let name: String
        /// One run; the value in the figure's unit.
        let measure: @Sendable (Workbench) async throws -> Double
    }

    /// The name, by which `FILTER` finds it: `install-throughput`.
    let name: String
    /// The unit of all values: `MB/s`, `ms`, `requests`.
    let unit: String
    /// What Martlet's value should reach, in words: `<= 13`; nil where none was set.
    let goal: String?
    /// How often it is measured; odd, so that the median is a value that was seen.
    let runs: Int
    /// One run on Martlet; the value in the figure's unit.
    let martlet: @Sendable (Workbench) async throws -> Double
    /// The peer; nil where there is nothing to compare with.
    let peer: Peer?

    init(
        _ name: String,
        unit: String,
        goal: String? = nil,
        runs: Int = 5,
        peer: Peer? = nil,
        martlet: @escaping @Sendable (Workbench) async throws -> Double
    ) {
        self.name = name
        self.unit = unit
        self.goal = goal
        self.runs = runs
        self.peer = peer
        self.martlet = martlet
    }

    /// Measures: Martlet and the peer in turn, so that both see the same noise.
    func measure(_ workbench: Workbench) async throws -> ResultRow {
        var own: [Double] = []
        var others: [Double] = []
        for run in 1...runs {
            own.append(try await martlet(workbench.scratch("\(name)-\(run)-martlet")))
            if let peer { others.append(try await peer.measure(workbench.scratch("\(name)-\(run)-peer"))) }
        }
        let (value, other) = (median(own), others.isEmpty ? nil : median(others))
        return ResultRow(
            figure: name,
            martlet: value,
            peer: other,
            peerName: peer?.name,
            unit: unit,
            ratio: other.flatMap { $0 == 0 ? nil : value / $0 },
            goal: goal,
            runs: runs
        )
    }
}

/// The middle value; the mean of the two in the middle for an even count; 0 for none.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}
