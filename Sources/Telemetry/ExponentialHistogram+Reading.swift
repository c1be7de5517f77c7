internal import Glibc

extension ExponentialHistogram {
    /// The value below which the share `fraction` (0 to 1) of the values lies, within the width of a bucket; nil where
    /// there is no value.
    package func quantile(_ fraction: Double) -> Double? {
        guard count > 0, let min, let max else { return nil }
        let rank = Swift.min(Swift.max(fraction, 0), 1) * Double(count)
        if rank <= Double(zeroCount), zeroCount > 0 { return Swift.max(0, min) }
        var before = Double(zeroCount)
        for (position, bucket) in buckets.enumerated() where bucket > 0 {
            let after = before + Double(bucket)
            if rank <= after {
                let share = (rank - before) / Double(bucket)
                let low = lowerBound(of: offset + position)
                let high = lowerBound(of: offset + position + 1)
                return Swift.min(Swift.max(low * pow(high / low, share), min), max)
            }
            before = after
        }
        return max
    }

    /// The share of values at or below `value`, within the width of a bucket; 0 where there is none.
    package func fraction(atOrBelow value: Double) -> Double {
        guard count > 0, let min, let max, value >= min else { return 0 }
        guard value < max else { return 1 }
        var below = Double(zeroCount)
        for (position, bucket) in buckets.enumerated() where bucket > 0 {
            let low = lowerBound(of: offset + position)
            let high = lowerBound(of: offset + position + 1)
            if value >= high {
                below += Double(bucket)
            } else if value > low {
                below += Double(bucket) * log2(value / low) / log2(high / low)
            }
        }
        return below / Double(count)
    }

    /// Counts by explicit upper bounds (ascending; one more bucket than bounds, the last without end). Each bucket goes
    /// whole to where its geometric middle lies, so the total stays right and a count is off by one bucket at most.
    package func explicitCounts(bounds: [Double]) -> [UInt64] {
        var counts = [UInt64](repeating: 0, count: bounds.count + 1)
        if zeroCount > 0 { counts[bounds.firstIndex { 0 <= $0 } ?? bounds.count] += zeroCount }
        for (position, bucket) in buckets.enumerated() where bucket > 0 {
            let low = lowerBound(of: offset + position)
            let high = lowerBound(of: offset + position + 1)
            let middle = Swift.min(Swift.max((low * high).squareRoot(), min ?? low), max ?? high)
            counts[bounds.firstIndex { middle <= $0 } ?? bounds.count] += bucket
        }
        return counts
    }
}

/// The explicit bucket bounds of OpenTelemetry's GenAI conventions.
///
/// Source: OpenTelemetry semantic conventions, "Generative AI metrics".
package enum GenAIBuckets {
    /// `gen_ai.server.request.duration`, seconds.
    package static let requestDuration: [Double] = [
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]
    /// `gen_ai.server.time_to_first_token`, seconds.
    package static let timeToFirstToken: [Double] = [
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    /// `gen_ai.server.time_per_output_token`, seconds.
    package static let timePerOutputToken: [Double] = [
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
    ]
    /// `gen_ai.client.token.usage`, tokens.
    package static let tokenUsage: [Double] = [
        1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ]
}
