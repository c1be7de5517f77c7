internal import MartletTypes

extension OTLP.MetricsRequest {
    /// Reads a body that was received. Throws `invalidDocument`, and `tooManyPoints` beyond the bound.
    package init(json bytes: [UInt8]) throws(TelemetryError) {
        guard bytes.count <= Limits.telemetryBodyBytes else {
            throw TelemetryError(
                .tooManyPoints,
                "The export has \(bytes.count) bytes; at most \(Limits.telemetryBodyBytes) are taken.")
        }
        do {
            self = try JSONText.decode(Self.self, from: bytes)
        } catch {
            throw TelemetryError(.invalidDocument, "The export is no OTLP document: \(Self.reason(error)).")
        }
        guard pointCount <= TelemetryLimits.pointsPerRequest else {
            throw TelemetryError(
                .tooManyPoints,
                "The export has \(pointCount) data points; at most \(TelemetryLimits.pointsPerRequest) are taken.")
        }
    }

    /// The JSON to send.
    package func json() throws -> [UInt8] { try JSONText.encode(self) }

    /// Data points of all metrics.
    package var pointCount: Int {
        resourceMetrics.flatMap(\.scopeMetrics).flatMap(\.metrics).reduce(0) { $0 + $1.pointCount }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.keyNotFound(_, let context):
            path(context) + " has the wrong type"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            path(context) + " has a value that is not allowed"
        default: "it is not valid JSON"
        }
    }

    private static func path(_ context: DecodingError.Context) -> String {
        context.codingPath.map(\.stringValue).joined(separator: ".")
    }
}

extension OTLP.Metric {
    /// Data points of this metric, whatever its kind. (Added one by one: as one sum, Swift 6.2 gives up on the types.)
    fileprivate var pointCount: Int {
        var count = gauge?.dataPoints.count ?? 0
        count += sum?.dataPoints.count ?? 0
        count += histogram?.dataPoints.count ?? 0
        count += exponentialHistogram?.dataPoints.count ?? 0
        return count
    }
}
