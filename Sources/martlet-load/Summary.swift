/// The figures of a run. Times are of successful requests alone: one that is refused at once would make a gateway look
/// fast.
struct Summary: Encodable {
    struct Gateway: Encodable {
        var sent: Int
        var failed: Int
        var p50Milliseconds: Double
        var p99Milliseconds: Double
        var maxMilliseconds: Double
    }

    let sent: Int
    let failed: Int
    let streamed: Int
    let p50Milliseconds: Double
    let p99Milliseconds: Double
    let maxMilliseconds: Double
    let gateways: [String: Gateway]
    /// Each kind of failure with its count.
    let failures: [String: Int]

    init(_ outcomes: [Outcome]) {
        let whole = Self.figures(outcomes)
        sent = whole.sent
        failed = whole.failed
        streamed = outcomes.count { $0.streamed }
        p50Milliseconds = whole.p50Milliseconds
        p99Milliseconds = whole.p99Milliseconds
        maxMilliseconds = whole.maxMilliseconds
        gateways = Dictionary(grouping: outcomes, by: \.gateway).mapValues(Self.figures)
        failures = Dictionary(grouping: outcomes.compactMap(\.failure)) { $0 }.mapValues(\.count)
    }

    private static func figures(_ outcomes: [Outcome]) -> Gateway {
        let sorted = outcomes.filter { $0.failure == nil }.map(\.milliseconds).sorted()
        func quantile(_ share: Double) -> Double {
            sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
        }
        return Gateway(
            sent: outcomes.count, failed: outcomes.count { $0.failure != nil }, p50Milliseconds: quantile(0.5),
            p99Milliseconds: quantile(0.99), maxMilliseconds: sorted.last ?? 0)
    }
}
