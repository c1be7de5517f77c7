/// A short JSON form for storing: `{"s":6,"o":-12,"b":[…],"z":0,"sum":1.5,"min":0.1,"max":0.4}`; the count follows.
extension ExponentialHistogram: Codable {
    private enum CodingKeys: String, CodingKey {
        case scale = "s"
        case offset = "o"
        case buckets = "b"
        case zeroCount = "z"
        case sum, min, max
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let buckets = try fields.decode([UInt64].self, forKey: .buckets)
        let zeroCount = try fields.decode(UInt64.self, forKey: .zeroCount)
        let histogram = ExponentialHistogram(
            scale: try fields.decode(Int.self, forKey: .scale), offset: try fields.decode(Int.self, forKey: .offset),
            buckets: buckets, zeroCount: zeroCount, count: buckets.reduce(zeroCount, &+),
            sum: try fields.decode(Double.self, forKey: .sum),
            min: try fields.decodeIfPresent(Double.self, forKey: .min),
            max: try fields.decodeIfPresent(Double.self, forKey: .max))
        guard let histogram else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath, debugDescription: "the parts of the histogram do not fit together"))
        }
        self = histogram
    }

    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(scale, forKey: .scale)
        try fields.encode(offset, forKey: .offset)
        try fields.encode(buckets, forKey: .buckets)
        try fields.encode(zeroCount, forKey: .zeroCount)
        try fields.encode(sum, forKey: .sum)
        try fields.encodeIfPresent(min, forKey: .min)
        try fields.encodeIfPresent(max, forKey: .max)
    }
}
