package import MartletTypes

extension OTLP.MetricsRequest {
    /// What one device measured, as one export. Histograms are exponential with delta temporality; an export to others
    /// derives the conventions' explicit buckets from them (`OTLP.HistogramPoint`).
    package init(
        device: DeviceID, agentVersion: String, profile: String?, intervals: [GatewayInterval], samples: [SystemSample]
    ) {
        var attributes = [
            OTLP.Attribute("service.name", "martlet-agent"), OTLP.Attribute("service.version", agentVersion),
            OTLP.Attribute("host.name", device.text),
        ]
        if let profile { attributes.append(OTLP.Attribute(TelemetryNames.profile, profile)) }
        var metrics = GatewayMetrics(profile: profile)
        for interval in intervals { metrics.add(interval) }
        for sample in samples { metrics.add(sample) }
        let scope = OTLP.Scope(name: "martlet", version: agentVersion)
        self.init(resourceMetrics: [
            OTLP.ResourceMetrics(
                resource: OTLP.Resource(attributes: attributes),
                scopeMetrics: [OTLP.ScopeMetrics(scope: scope, metrics: metrics.metrics)])
        ])
    }
}

/// Collects points under the metric that they belong to, in the order of first use.
private struct GatewayMetrics {
    private(set) var metrics: [OTLP.Metric] = []
    private var positions: [String: Int] = [:]
    private let profile: String?

    init(profile: String?) { self.profile = profile }

    mutating func add(_ interval: GatewayInterval) {
        let span = OTLP.Span(start: interval.start, end: interval.end)
        var own = [
            OTLP.Attribute(TelemetryNames.slot, interval.slot.text),
            OTLP.Attribute(TelemetryNames.generation, interval.generation),
            OTLP.Attribute(TelemetryNames.release, interval.release.path),
            OTLP.Attribute(TelemetryNames.releaseDigest, interval.release.digest),
        ]
        if let profile { own.append(OTLP.Attribute(TelemetryNames.profile, profile)) }
        count(TelemetryNames.requests, interval.requests, own, span, always: true)
        for (type, number) in interval.errors.sorted(by: { $0.key < $1.key }) {
            count(TelemetryNames.errors, number, own + [OTLP.Attribute(TelemetryNames.errorType, type)], span)
        }
        count(TelemetryNames.refused, interval.refused, own, span)
        count(TelemetryNames.replayed, interval.replayed, own, span)
        count(TelemetryNames.cutStreams, interval.cutStreams, own, span)
        count(TelemetryNames.abandoned, interval.abandoned, own, span)
        count(TelemetryNames.crashes, interval.crashes, own, span)
        let model =
            own + [
                OTLP.Attribute(TelemetryNames.operation, "chat"), OTLP.Attribute(TelemetryNames.provider, "martlet"),
                OTLP.Attribute(TelemetryNames.requestModel, interval.slot.text),
            ]
        distribution(TelemetryNames.requestDuration, "s", interval.duration, model, span)
        distribution(TelemetryNames.timeToFirstToken, "s", interval.timeToFirstToken, model, span)
        distribution(TelemetryNames.timePerOutputToken, "s", interval.timePerOutputToken, model, span)
        let input = model + [OTLP.Attribute(TelemetryNames.tokenType, "input")]
        distribution(TelemetryNames.tokenUsage, "{token}", interval.inputTokens, input, span)
        let output = model + [OTLP.Attribute(TelemetryNames.tokenType, "output")]
        distribution(TelemetryNames.tokenUsage, "{token}", interval.outputTokens, output, span)
    }

    mutating func add(_ sample: SystemSample) {
        let span = OTLP.Span(end: sample.time)
        let used = [OTLP.Attribute(TelemetryNames.state, "used")]
        value(TelemetryNames.cpuUtilization, "1", sample.cpu, [], span)
        value(TelemetryNames.memoryUsage, "By", sample.memoryUsed.map { Double($0.bytes) }, used, span)
        value(TelemetryNames.memoryLimit, "By", sample.memoryTotal.map { Double($0.bytes) }, [], span)
        value(TelemetryNames.filesystemUsage, "By", sample.diskUsed.map { Double($0.bytes) }, used, span)
        value(TelemetryNames.filesystemLimit, "By", sample.diskTotal.map { Double($0.bytes) }, [], span)
        value(TelemetryNames.loadAverage, "{thread}", sample.load, [], span)
        value(TelemetryNames.temperature, "Cel", sample.temperatureCelsius, [], span)
    }

    private mutating func count(
        _ name: String, _ number: UInt64, _ attributes: [OTLP.Attribute], _ span: OTLP.Span, always: Bool = false
    ) {
        guard number > 0 || always else { return }
        let units = [TelemetryNames.cutStreams: "{stream}", TelemetryNames.crashes: "{crash}"]
        let unit = units[name] ?? "{request}"
        change(name, unit) { metric in
            metric.sum = metric.sum ?? OTLP.Sum(dataPoints: [])
            metric.sum?.dataPoints.append(OTLP.NumberPoint(attributes, span, int: number))
        }
    }

    private mutating func distribution(
        _ name: String, _ unit: String, _ histogram: ExponentialHistogram, _ attributes: [OTLP.Attribute],
        _ span: OTLP.Span
    ) {
        guard !histogram.isEmpty else { return }
        change(name, unit) { metric in
            metric.exponentialHistogram = metric.exponentialHistogram ?? OTLP.ExponentialHistogramData(dataPoints: [])
            metric.exponentialHistogram?.dataPoints.append(OTLP.ExponentialPoint(attributes, span, histogram))
        }
    }

    private mutating func value(
        _ name: String, _ unit: String, _ number: Double?, _ attributes: [OTLP.Attribute], _ span: OTLP.Span
    ) {
        guard let number, number.isFinite else { return }
        change(name, unit) { metric in
            metric.gauge = metric.gauge ?? OTLP.Gauge(dataPoints: [])
            metric.gauge?.dataPoints.append(OTLP.NumberPoint(attributes, span, double: number))
        }
    }

    private mutating func change(_ name: String, _ unit: String, _ change: (inout OTLP.Metric) -> Void) {
        let position = positions[name] ?? metrics.count
        if position == metrics.count {
            metrics.append(OTLP.Metric(name: name, unit: unit))
            positions[name] = position
        }
        change(&metrics[position])
    }
}
