/// OTLP/HTTP metrics in JSON, as far as Martlet writes and reads them. Unknown fields are passed over; fields that are
/// absent have their proto3 default. Source: opentelemetry-proto, `metrics/v1/metrics.proto`, and OTLP 1.x, "JSON
/// Protobuf Encoding": lowerCamelCase names, 64-bit integers as strings, enumerations as numbers.
package enum OTLP {
    /// `ExportMetricsServiceRequest`: the body of `POST /v1/metrics`.
    package struct MetricsRequest: Sendable, Hashable, Codable {
        package var resourceMetrics: [ResourceMetrics]
        package init(resourceMetrics: [ResourceMetrics]) { self.resourceMetrics = resourceMetrics }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            resourceMetrics = try fields.decodeIfPresent([ResourceMetrics].self, forKey: .resourceMetrics) ?? []
        }
    }

    /// What one sender, such as a device, measured.
    package struct ResourceMetrics: Sendable, Hashable, Codable {
        package var resource: Resource
        package var scopeMetrics: [ScopeMetrics]
        package init(resource: Resource, scopeMetrics: [ScopeMetrics]) {
            self.resource = resource
            self.scopeMetrics = scopeMetrics
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            resource = try fields.decodeIfPresent(Resource.self, forKey: .resource) ?? Resource(attributes: [])
            scopeMetrics = try fields.decodeIfPresent([ScopeMetrics].self, forKey: .scopeMetrics) ?? []
        }
    }

    /// Who measured.
    package struct Resource: Sendable, Hashable, Codable {
        package var attributes: [Attribute]
        package init(attributes: [Attribute]) { self.attributes = attributes }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            attributes = try fields.decodeIfPresent([Attribute].self, forKey: .attributes) ?? []
        }
    }

    /// What one part of a program measured.
    package struct ScopeMetrics: Sendable, Hashable, Codable {
        package var scope: Scope?
        package var metrics: [Metric]
        package init(scope: Scope?, metrics: [Metric]) {
            self.scope = scope
            self.metrics = metrics
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            scope = try fields.decodeIfPresent(Scope.self, forKey: .scope)
            metrics = try fields.decodeIfPresent([Metric].self, forKey: .metrics) ?? []
        }
    }

    /// The part of a program.
    package struct Scope: Sendable, Hashable, Codable {
        package var name: String?
        package var version: String?
        package init(name: String?, version: String?) {
            self.name = name
            self.version = version
        }
    }

    /// One metric; exactly one of its kinds of data is there.
    package struct Metric: Sendable, Hashable, Codable {
        package var name: String
        package var description: String?
        package var unit: String?
        package var gauge: Gauge?
        package var sum: Sum?
        package var histogram: Histogram?
        package var exponentialHistogram: ExponentialHistogramData?
        package init(name: String, unit: String?, description: String? = nil) {
            self.name = name
            self.unit = unit
            self.description = description
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            name = try fields.decodeIfPresent(String.self, forKey: .name) ?? ""
            description = try fields.decodeIfPresent(String.self, forKey: .description)
            unit = try fields.decodeIfPresent(String.self, forKey: .unit)
            gauge = try fields.decodeIfPresent(Gauge.self, forKey: .gauge)
            sum = try fields.decodeIfPresent(Sum.self, forKey: .sum)
            histogram = try fields.decodeIfPresent(Histogram.self, forKey: .histogram)
            exponentialHistogram = try fields.decodeIfPresent(
                ExponentialHistogramData.self, forKey: .exponentialHistogram)
        }
    }

    /// Values that stand for themselves.
    package struct Gauge: Sendable, Hashable, Codable {
        package var dataPoints: [NumberPoint]
        package init(dataPoints: [NumberPoint]) { self.dataPoints = dataPoints }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            dataPoints = try fields.decodeIfPresent([NumberPoint].self, forKey: .dataPoints) ?? []
        }
    }

    /// Values that add up.
    package struct Sum: Sendable, Hashable, Codable {
        package var dataPoints: [NumberPoint]
        package var aggregationTemporality: Int
        package var isMonotonic: Bool
        package init(dataPoints: [NumberPoint], isMonotonic: Bool = true) {
            self.dataPoints = dataPoints
            self.isMonotonic = isMonotonic
            aggregationTemporality = OTLP.delta
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            dataPoints = try fields.decodeIfPresent([NumberPoint].self, forKey: .dataPoints) ?? []
            aggregationTemporality = try fields.decodeIfPresent(Int.self, forKey: .aggregationTemporality) ?? 0
            isMonotonic = try fields.decodeIfPresent(Bool.self, forKey: .isMonotonic) ?? false
        }
    }

    /// Values counted by explicit bounds.
    package struct Histogram: Sendable, Hashable, Codable {
        package var dataPoints: [HistogramPoint]
        package var aggregationTemporality: Int
        package init(dataPoints: [HistogramPoint]) {
            self.dataPoints = dataPoints
            aggregationTemporality = OTLP.delta
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            dataPoints = try fields.decodeIfPresent([HistogramPoint].self, forKey: .dataPoints) ?? []
            aggregationTemporality = try fields.decodeIfPresent(Int.self, forKey: .aggregationTemporality) ?? 0
        }
    }

    /// Values counted by growing buckets.
    package struct ExponentialHistogramData: Sendable, Hashable, Codable {
        package var dataPoints: [ExponentialPoint]
        package var aggregationTemporality: Int
        package init(dataPoints: [ExponentialPoint]) {
            self.dataPoints = dataPoints
            aggregationTemporality = OTLP.delta
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            dataPoints = try fields.decodeIfPresent([ExponentialPoint].self, forKey: .dataPoints) ?? []
            aggregationTemporality = try fields.decodeIfPresent(Int.self, forKey: .aggregationTemporality) ?? 0
        }
    }

    /// `AGGREGATION_TEMPORALITY_DELTA`: each point counts what happened since the one before.
    package static let delta = 1
}
