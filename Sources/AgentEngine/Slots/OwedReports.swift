/// Reports that the journal has not taken yet, the oldest first. No I/O.
struct OwedReports {
    private(set) var bodies: [[UInt8]] = []
    private var backoff = Backoff()

    /// Adds reports, at the cost of the oldest.
    mutating func add(_ more: [[UInt8]]) { bodies = Array((bodies + more).suffix(AgentLimits.owedReports)) }

    /// All were written.
    mutating func paid() {
        bodies = []
        backoff.reset()
    }

    /// The oldest was written.
    mutating func paidFirst() {
        if !bodies.isEmpty { bodies.removeFirst() }
        backoff.reset()
    }

    /// How long to wait after one more failure.
    mutating func pause(random: Double) -> Duration { backoff.next(random: random) }
}

extension AgentLimits {
    /// Reports of one slot that wait in memory while the journal takes no writes: some tens of kilobytes.
    static let owedReports = 100
}
