/// Bounds on measurements, each with its reason.
package enum TelemetryLimits {
    /// The finest scale a histogram starts with: 1.1 % between bucket bounds.
    package static let startScale = 6
    /// The coarsest scale that our own measurements take: 4.4 % between bounds, so an error under 2.2 %.
    package static let coarsestScale = 4
    /// Buckets a histogram keeps before it halves its resolution.
    package static let preferredBuckets = 160
    /// Buckets at the coarsest scale: all 40 octaves between `smallestValue` and `largestValue`.
    package static let mostBuckets = 641
    /// What is no larger counts as zero: a microsecond, when the unit is the second.
    package static let smallestValue = 0x1p-20
    /// What is larger is counted as this: twelve days, when the unit is the second.
    package static let largestValue = 0x1p20
    /// Buckets accepted in one histogram from outside; OTLP's own default is 160.
    package static let bucketsFromOutside = 2048
    /// Data points accepted in one export request: 32 slots × metrics × attribute sets × spooled intervals.
    package static let pointsPerRequest = 50_000
    /// Characters of an attribute's value that are kept: the digests of 16 adapters have 1,200.
    package static let attributeCharacters = 4096
    /// Different error types counted in one interval; further ones are counted as `other`.
    package static let errorTypes = 32
}
