package import MartletTypes

extension OTLP {
    /// A 64-bit whole number: a string in JSON, read from a number as well.
    package struct Integer: Sendable, Hashable, Codable, ExpressibleByIntegerLiteral {
        package var value: Int64
        package init(_ value: Int64) { self.value = value }
        package init(_ value: UInt64) { self.value = Int64(clamping: value) }
        package init(integerLiteral value: Int64) { self.value = value }

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let text = try? container.decode(String.self) {
                guard let value = Int64(text) else {
                    throw DecodingError.dataCorruptedError(in: container, debugDescription: "no whole number")
                }
                self.value = value
            } else {
                value = try container.decode(Int64.self)
            }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(String(value))
        }
    }

    /// A name and its value.
    package struct Attribute: Sendable, Hashable, Codable {
        package var key: String
        package var value: Value
        package init(_ key: String, _ text: String) {
            self.key = key
            value = Value(stringValue: String(text.prefix(TelemetryLimits.attributeCharacters)))
        }
        package init(_ key: String, _ number: Int) {
            self.key = key
            value = Value(intValue: Integer(Int64(number)))
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            key = try fields.decodeIfPresent(String.self, forKey: .key) ?? ""
            value = try fields.decodeIfPresent(Value.self, forKey: .value) ?? Value()
        }
    }

    /// `AnyValue`, of which arrays, maps and bytes are passed over.
    package struct Value: Sendable, Hashable, Codable {
        package var stringValue: String?
        package var boolValue: Bool?
        package var intValue: Integer?
        package var doubleValue: Double?
        package init(stringValue: String? = nil, intValue: Integer? = nil) {
            self.stringValue = stringValue
            self.intValue = intValue
        }
    }

    /// One number.
    package struct NumberPoint: Sendable, Hashable, Codable {
        package var attributes: [Attribute]
        package var startTimeUnixNano: Integer?
        package var timeUnixNano: Integer
        package var asDouble: Double?
        package var asInt: Integer?
        package init(_ attributes: [Attribute], _ span: Span, double: Double? = nil, int: UInt64? = nil) {
            self.attributes = attributes
            startTimeUnixNano = span.start.map(OTLP.nanoseconds)
            timeUnixNano = OTLP.nanoseconds(span.end)
            asDouble = double
            asInt = int.map { Integer($0) }
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            attributes = try fields.decodeIfPresent([Attribute].self, forKey: .attributes) ?? []
            startTimeUnixNano = try fields.decodeIfPresent(Integer.self, forKey: .startTimeUnixNano)
            timeUnixNano = try fields.decodeIfPresent(Integer.self, forKey: .timeUnixNano) ?? 0
            asDouble = try fields.decodeIfPresent(Double.self, forKey: .asDouble)
            asInt = try fields.decodeIfPresent(Integer.self, forKey: .asInt)
        }

        /// The number, whichever form it has.
        package var number: Double? { asDouble ?? asInt.map { Double($0.value) } }
    }

    /// Counts by explicit upper bounds.
    package struct HistogramPoint: Sendable, Hashable, Codable {
        package var attributes: [Attribute]
        package var startTimeUnixNano: Integer?
        package var timeUnixNano: Integer
        package var count: Integer
        package var sum: Double?
        package var bucketCounts: [Integer]
        package var explicitBounds: [Double]
        package var min: Double?
        package var max: Double?
        package init(_ attributes: [Attribute], _ span: Span, _ histogram: ExponentialHistogram, bounds: [Double]) {
            self.attributes = attributes
            startTimeUnixNano = span.start.map(OTLP.nanoseconds)
            timeUnixNano = OTLP.nanoseconds(span.end)
            count = Integer(histogram.count)
            sum = histogram.sum
            bucketCounts = histogram.explicitCounts(bounds: bounds).map { Integer($0) }
            explicitBounds = bounds
            min = histogram.min
            max = histogram.max
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            attributes = try fields.decodeIfPresent([Attribute].self, forKey: .attributes) ?? []
            startTimeUnixNano = try fields.decodeIfPresent(Integer.self, forKey: .startTimeUnixNano)
            timeUnixNano = try fields.decodeIfPresent(Integer.self, forKey: .timeUnixNano) ?? 0
            count = try fields.decodeIfPresent(Integer.self, forKey: .count) ?? 0
            sum = try fields.decodeIfPresent(Double.self, forKey: .sum)
            bucketCounts = try fields.decodeIfPresent([Integer].self, forKey: .bucketCounts) ?? []
            explicitBounds = try fields.decodeIfPresent([Double].self, forKey: .explicitBounds) ?? []
            min = try fields.decodeIfPresent(Double.self, forKey: .min)
            max = try fields.decodeIfPresent(Double.self, forKey: .max)
        }
    }

    /// Counts by growing buckets.
    package struct ExponentialPoint: Sendable, Hashable, Codable {
        package var attributes: [Attribute]
        package var startTimeUnixNano: Integer?
        package var timeUnixNano: Integer
        package var count: Integer
        package var sum: Double?
        package var scale: Int
        package var zeroCount: Integer
        package var positive: Buckets?
        package var min: Double?
        package var max: Double?

        package init(_ attributes: [Attribute], _ span: Span, _ histogram: ExponentialHistogram) {
            self.attributes = attributes
            startTimeUnixNano = span.start.map(OTLP.nanoseconds)
            timeUnixNano = OTLP.nanoseconds(span.end)
            count = Integer(histogram.count)
            sum = histogram.sum
            scale = histogram.scale
            zeroCount = Integer(histogram.zeroCount)
            positive = Buckets(offset: histogram.offset, bucketCounts: histogram.buckets.map { Integer($0) })
            min = histogram.min
            max = histogram.max
        }

        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            attributes = try fields.decodeIfPresent([Attribute].self, forKey: .attributes) ?? []
            startTimeUnixNano = try fields.decodeIfPresent(Integer.self, forKey: .startTimeUnixNano)
            timeUnixNano = try fields.decodeIfPresent(Integer.self, forKey: .timeUnixNano) ?? 0
            count = try fields.decodeIfPresent(Integer.self, forKey: .count) ?? 0
            sum = try fields.decodeIfPresent(Double.self, forKey: .sum)
            scale = try fields.decodeIfPresent(Int.self, forKey: .scale) ?? 0
            zeroCount = try fields.decodeIfPresent(Integer.self, forKey: .zeroCount) ?? 0
            positive = try fields.decodeIfPresent(Buckets.self, forKey: .positive)
            min = try fields.decodeIfPresent(Double.self, forKey: .min)
            max = try fields.decodeIfPresent(Double.self, forKey: .max)
        }

        /// The histogram; nil where its parts do not fit together, which counts of values below zero make so too.
        package var histogram: ExponentialHistogram? {
            var counts: [UInt64] = []
            for count in positive?.bucketCounts ?? [] {
                guard let count = UInt64(exactly: count.value) else { return nil }
                counts.append(count)
            }
            guard let zeroCount = UInt64(exactly: zeroCount.value), let count = UInt64(exactly: count.value) else {
                return nil
            }
            return ExponentialHistogram(
                scale: scale, offset: positive?.offset ?? 0, buckets: counts, zeroCount: zeroCount, count: count,
                sum: sum ?? 0, min: min, max: max)
        }
    }

    /// Counts of neighbouring buckets.
    package struct Buckets: Sendable, Hashable, Codable {
        package var offset: Int
        package var bucketCounts: [Integer]
        package init(offset: Int, bucketCounts: [Integer]) {
            self.offset = offset
            self.bucketCounts = bucketCounts
        }
        package init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            offset = try fields.decodeIfPresent(Int.self, forKey: .offset) ?? 0
            bucketCounts = try fields.decodeIfPresent([Integer].self, forKey: .bucketCounts) ?? []
        }
    }

    /// The time that a point is about.
    package struct Span: Sendable, Hashable {
        /// Nil for what was measured at a moment.
        package let start: Timestamp?
        package let end: Timestamp
        package init(start: Timestamp? = nil, end: Timestamp) {
            self.start = start
            self.end = end
        }
    }

    static func nanoseconds(_ time: Timestamp) -> Integer {
        let (value, overflow) = time.milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return Integer(overflow ? 0 : Swift.max(value, 0))
    }

    static func time(_ nanoseconds: Integer) -> Timestamp { Timestamp(milliseconds: nanoseconds.value / 1_000_000) }
}
