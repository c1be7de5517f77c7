internal import Glibc

/// A histogram whose buckets grow by a constant factor, as OTLP defines it: bucket `i` at scale `s` holds values in
/// (b^i, b^(i+1)] with b = 2^(2^-s).
///
/// Only values of zero and above are counted: durations and counts. Starts at scale 6 and halves its resolution where
/// the values spread, never below scale 4 by recording; a merge with a coarser histogram takes over its scale.
/// Merging equals recording everything into one. Source: OpenTelemetry metrics data model, "ExponentialHistogram".
package struct ExponentialHistogram: Sendable, Hashable {
    /// The resolution.
    package private(set) var scale: Int
    /// The index of `buckets[0]`.
    package private(set) var offset: Int
    /// Counts of the buckets from `offset` on, without gaps at either end.
    package private(set) var buckets: [UInt64]
    /// Values that were zero or too small to tell from it.
    package private(set) var zeroCount: UInt64
    /// All values.
    package private(set) var count: UInt64
    /// The sum of all values.
    package private(set) var sum: Double
    /// The least value; nil where there is none.
    package private(set) var min: Double?
    /// The greatest value; nil where there is none.
    package private(set) var max: Double?

    /// An empty histogram.
    package init() {
        scale = TelemetryLimits.startScale
        offset = 0
        buckets = []
        zeroCount = 0
        count = 0
        sum = 0
    }

    /// A histogram from its parts, as they were received. Nil where counts do not add up or bounds are broken.
    package init?(
        scale: Int, offset: Int, buckets: [UInt64], zeroCount: UInt64, count: UInt64, sum: Double, min: Double?,
        max: Double?
    ) {
        guard (-10...20).contains(scale), buckets.count <= TelemetryLimits.bucketsFromOutside,
            Self.isRepresentable(offset, scale), Self.isRepresentable(offset + buckets.count, scale),
            sum.isFinite, min?.isFinite ?? true, max?.isFinite ?? true
        else { return nil }
        var total = zeroCount
        for bucket in buckets {
            let (next, overflow) = total.addingReportingOverflow(bucket)
            guard !overflow else { return nil }
            total = next
        }
        guard total == count else { return nil }
        self.scale = scale
        self.zeroCount = zeroCount
        self.count = count
        self.sum = sum
        self.min = min
        self.max = max
        let filled = buckets.indices.filter { buckets[$0] > 0 }
        if let first = filled.first, let last = filled.last {
            self.offset = offset + first
            self.buckets = Array(buckets[first...last])
        } else {
            self.offset = 0
            self.buckets = []
        }
        shrink()
    }

    /// Whether nothing was recorded.
    package var isEmpty: Bool { count == 0 }

    /// The mean; nil where there is no value.
    package var mean: Double? { count == 0 ? nil : sum / Double(count) }

    /// Counts one value. Negative and non-finite values count as zero: a clock that went back took no time.
    package mutating func record(_ value: Double) {
        let value = value.isFinite ? Swift.min(Swift.max(value, 0), TelemetryLimits.largestValue) : 0
        count += 1
        sum += value
        min = Swift.min(min ?? value, value)
        max = Swift.max(max ?? value, value)
        guard value > TelemetryLimits.smallestValue else {
            zeroCount += 1
            return
        }
        add(1, at: Self.index(of: value, scale: scale))
        shrink()
    }

    /// Adds all that `other` counted.
    package mutating func merge(_ other: ExponentialHistogram) {
        guard !other.isEmpty else { return }
        guard !isEmpty else {
            self = other
            return
        }
        var other = other
        while other.scale > scale { other.halve() }
        while scale > other.scale { halve() }
        zeroCount += other.zeroCount
        count += other.count
        sum += other.sum
        min = [min, other.min].compactMap(\.self).min()
        max = [max, other.max].compactMap(\.self).max()
        guard !other.buckets.isEmpty else { return }
        // Resolution is given up before any bucket is made, so that far-apart values never cost memory.
        while !buckets.isEmpty, Self.isTooWide(union(other), scale: scale) {
            halve()
            other.halve()
        }
        for (index, bucket) in other.buckets.enumerated() where bucket > 0 { add(bucket, at: other.offset + index) }
        shrink()
    }
}

extension ExponentialHistogram {
    /// The bucket of a value above zero. Exact powers of two lie at the top of their bucket, as the data model demands.
    static func index(of value: Double, scale: Int) -> Int {
        let exponent = Int(value.exponent)
        let isPowerOfTwo = value.significand == 1
        guard scale > 0 else { return (isPowerOfTwo ? exponent - 1 : exponent) >> -scale }
        let perOctave = 1 << scale
        if isPowerOfTwo { return exponent * perOctave - 1 }
        let inOctave = Int(log2(value.significand) * Double(perOctave))
        return exponent * perOctave + Swift.min(inOctave, perOctave - 1)
    }

    /// The upper bound of the bucket below index `i`, which is the lower bound of bucket `i`.
    func lowerBound(of index: Int) -> Double { exp2(Double(index) * exp2(Double(-scale))) }

    /// Whether a bound of this index is a finite number: an index beyond would only make room for nothing.
    private static func isRepresentable(_ index: Int, _ scale: Int) -> Bool {
        abs(index) <= 1 << 32 && abs(Double(index) * exp2(Double(-scale))) <= 1100
    }

    private mutating func add(_ amount: UInt64, at index: Int) {
        guard !buckets.isEmpty else {
            offset = index
            buckets = [amount]
            return
        }
        if index < offset {
            buckets.insert(contentsOf: repeatElement(0, count: offset - index), at: 0)
            offset = index
        } else if index >= offset + buckets.count {
            buckets.append(contentsOf: repeatElement(0, count: index - offset - buckets.count + 1))
        }
        buckets[index - offset] += amount
    }

    /// The number of buckets that both together would span.
    private func union(_ other: ExponentialHistogram) -> Int {
        Swift.max(offset + buckets.count, other.offset + other.buckets.count) - Swift.min(offset, other.offset)
    }

    private static func isTooWide(_ width: Int, scale: Int) -> Bool {
        width > (scale > TelemetryLimits.coarsestScale ? TelemetryLimits.preferredBuckets : TelemetryLimits.mostBuckets)
    }

    private mutating func shrink() {
        while scale > TelemetryLimits.startScale || Self.isTooWide(buckets.count, scale: scale) { halve() }
    }

    /// Joins each two neighbouring buckets: one scale coarser.
    private mutating func halve() {
        var joined: [UInt64] = []
        let first = offset >> 1
        for (position, bucket) in buckets.enumerated() {
            let target = ((offset + position) >> 1) - first
            if target == joined.count { joined.append(bucket) } else { joined[target] += bucket }
        }
        scale -= 1
        offset = first
        buckets = joined
    }
}
