package import MartletTypes

/// One minute of a slot's generation, or of the whole box: what the registry keeps of telemetry.
///
/// Rows of the same key merge, so that a minute may arrive in several exports.
package struct TelemetryRollup: Sendable, Hashable {
    /// What a row is about.
    package struct Key: Sendable, Hashable {
        /// Nil for the whole box.
        package let slot: SlotName?
        /// 0 for the whole box.
        package let generation: Int
        /// The beginning of the minute.
        package let minute: Timestamp

        package init(slot: SlotName?, generation: Int, minute: Timestamp) {
            self.slot = slot
            self.generation = generation
            self.minute = Timestamp(seconds: minute.seconds - (minute.seconds % 60 + 60) % 60)
        }
    }

    /// What it is about.
    package let key: Key
    /// The release paths, joined by `+` for several adapters.
    package var release: String?
    /// The digests of their indexes, likewise.
    package var releaseDigest: String?
    /// The device's profile.
    package var profile: String?
    /// Requests that an engine answered.
    package var requests: Int64 = 0
    /// Those that failed.
    package var errors: Int64 = 0
    /// Those that no engine got in time.
    package var refused: Int64 = 0
    /// Answers cut by a drain deadline.
    package var cutStreams: Int64 = 0
    /// Ends of the engine that nobody asked for.
    package var crashes: Int64 = 0
    /// Tokens of prompts.
    package var inputTokens: Int64 = 0
    /// Tokens of answers.
    package var outputTokens: Int64 = 0
    /// Seconds of a request.
    package var duration = ExponentialHistogram()
    /// Seconds to the first token.
    package var timeToFirstToken = ExponentialHistogram()
    /// Seconds for each output token after the first.
    package var timePerOutputToken = ExponentialHistogram()
    /// Greatest share of processor time, in percent.
    package var cpuPercent: Double?
    /// Most memory in use.
    package var memoryUsed: ByteCount?
    /// Highest temperature.
    package var temperatureCelsius: Double?

    package init(key: Key) { self.key = key }

    /// Milliseconds within which half of the requests were answered.
    package var p50Milliseconds: Double? { duration.quantile(0.5).map { $0 * 1000 } }
    /// Milliseconds within which 95 % of the requests were answered.
    package var p95Milliseconds: Double? { duration.quantile(0.95).map { $0 * 1000 } }
    /// Milliseconds within which 95 % of the streams had their first token.
    package var p95FirstTokenMilliseconds: Double? { timeToFirstToken.quantile(0.95).map { $0 * 1000 } }
    /// Milliseconds that half of the streams took less than for each token after the first.
    package var p50OutputTokenMilliseconds: Double? { timePerOutputToken.quantile(0.5).map { $0 * 1000 } }

    /// Adds another part of the same minute.
    package mutating func merge(_ other: TelemetryRollup) {
        release = release ?? other.release
        releaseDigest = releaseDigest ?? other.releaseDigest
        profile = profile ?? other.profile
        requests = Self.sum(requests, other.requests)
        errors = Self.sum(errors, other.errors)
        refused = Self.sum(refused, other.refused)
        cutStreams = Self.sum(cutStreams, other.cutStreams)
        crashes = Self.sum(crashes, other.crashes)
        inputTokens = Self.sum(inputTokens, other.inputTokens)
        outputTokens = Self.sum(outputTokens, other.outputTokens)
        duration.merge(other.duration)
        timeToFirstToken.merge(other.timeToFirstToken)
        timePerOutputToken.merge(other.timePerOutputToken)
        cpuPercent = [cpuPercent, other.cpuPercent].compactMap(\.self).max()
        memoryUsed = [memoryUsed, other.memoryUsed].compactMap(\.self).max()
        temperatureCelsius = [temperatureCelsius, other.temperatureCelsius].compactMap(\.self).max()
    }

    static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}

extension TelemetryRollup {
    /// The rows of an export, in the order of minute, slot and generation. Points that are not Martlet's, or are
    /// malformed, are passed over: a sender with other metrics beside ours is no error.
    package static func rows(of request: OTLP.MetricsRequest) -> [TelemetryRollup] {
        var rows: [Key: TelemetryRollup] = [:]
        for resource in request.resourceMetrics {
            let profile = Labels(resource.resource.attributes).text(TelemetryNames.profile)
            for metric in resource.scopeMetrics.flatMap(\.metrics) { add(metric, profile, to: &rows) }
        }
        return rows.values.sorted {
            ($0.key.minute, $0.key.slot?.text ?? "", $0.key.generation)
                < ($1.key.minute, $1.key.slot?.text ?? "", $1.key.generation)
        }
    }

    private static func add(_ metric: OTLP.Metric, _ profile: String?, to rows: inout [Key: TelemetryRollup]) {
        for point in metric.sum?.dataPoints ?? [] {
            guard let amount = point.asInt?.value, amount >= 0 else { continue }
            change(&rows, point.attributes, point.timeUnixNano, profile) { row in
                switch metric.name {
                case TelemetryNames.requests: row.requests = sum(row.requests, amount)
                case TelemetryNames.errors: row.errors = sum(row.errors, amount)
                case TelemetryNames.refused: row.refused = sum(row.refused, amount)
                case TelemetryNames.cutStreams: row.cutStreams = sum(row.cutStreams, amount)
                case TelemetryNames.crashes: row.crashes = sum(row.crashes, amount)
                default: break
                }
            }
        }
        for point in metric.exponentialHistogram?.dataPoints ?? [] {
            guard let histogram = point.histogram else { continue }
            let isInput = Labels(point.attributes).text(TelemetryNames.tokenType) == "input"
            change(&rows, point.attributes, point.timeUnixNano, profile) { row in
                switch metric.name {
                case TelemetryNames.requestDuration: row.duration.merge(histogram)
                case TelemetryNames.timeToFirstToken: row.timeToFirstToken.merge(histogram)
                case TelemetryNames.timePerOutputToken: row.timePerOutputToken.merge(histogram)
                case TelemetryNames.tokenUsage:
                    let tokens = Int64(min(max(histogram.sum, 0), 1e15))
                    if isInput {
                        row.inputTokens = sum(row.inputTokens, tokens)
                    } else {
                        row.outputTokens = sum(row.outputTokens, tokens)
                    }
                default: break
                }
            }
        }
        for point in metric.gauge?.dataPoints ?? [] {
            guard let number = point.number, number.isFinite else { continue }
            addGauge(metric.name, number, point, profile, to: &rows)
        }
    }

    private static func addGauge(
        _ name: String, _ number: Double, _ point: OTLP.NumberPoint, _ profile: String?,
        to rows: inout [Key: TelemetryRollup]
    ) {
        var part = TelemetryRollup(key: Key(slot: nil, generation: 0, minute: OTLP.time(point.timeUnixNano)))
        switch name {
        case TelemetryNames.cpuUtilization: part.cpuPercent = min(max(number, 0), 1) * 100
        case TelemetryNames.memoryUsage where Labels(point.attributes).text(TelemetryNames.state) == "used":
            part.memoryUsed = ByteCount(Int64(min(max(number, 0), 1e18)))
        case TelemetryNames.temperature: part.temperatureCelsius = number
        default: return
        }
        part.profile = profile
        rows[part.key, default: TelemetryRollup(key: part.key)].merge(part)
    }

    private static func change(
        _ rows: inout [Key: TelemetryRollup], _ attributes: [OTLP.Attribute], _ time: OTLP.Integer, _ profile: String?,
        _ change: (inout TelemetryRollup) -> Void
    ) {
        let labels = Labels(attributes)
        guard let name = labels.text(TelemetryNames.slot), let slot = try? SlotName(name),
            let generation = labels.number(TelemetryNames.generation), (0...Int64(Int32.max)).contains(generation)
        else { return }
        let key = Key(slot: slot, generation: Int(generation), minute: OTLP.time(time))
        var row = rows[key] ?? TelemetryRollup(key: key)
        row.release = row.release ?? labels.text(TelemetryNames.release)
        row.releaseDigest = row.releaseDigest ?? labels.text(TelemetryNames.releaseDigest)
        row.profile = row.profile ?? labels.text(TelemetryNames.profile) ?? profile
        change(&row)
        rows[key] = row
    }

    /// Attributes by name; of two with the same name the first counts.
    private struct Labels {
        private let values: [String: OTLP.Value]

        init(_ attributes: [OTLP.Attribute]) {
            values = Dictionary(attributes.map { ($0.key, $0.value) }) { first, _ in first }
        }

        func text(_ name: String) -> String? {
            values[name]?.stringValue.flatMap {
                $0.isEmpty ? nil : String($0.prefix(TelemetryLimits.attributeCharacters))
            }
        }

        func number(_ name: String) -> Int64? { values[name]?.intValue?.value }
    }
}
