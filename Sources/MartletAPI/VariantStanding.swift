package import DeviceProfiles
package import MartletTypes

/// What became of one variant of a release when it was weighed for a device: told on the device and to operators.
package struct VariantStanding: Sendable, Hashable, Codable {
    /// How many of a release's variants are told: a release has a handful.
    package static let mostShown = 64

    /// Its manifest.
    package var digest: String
    package var quantization: String
    /// `chosen`, `fits`, or the code of the first requirement that is not met.
    package var verdict: String
    /// Whether the device runs it now.
    package var runs: Bool
    /// The estimate, or the publisher's figure where that is higher.
    package var memory: ByteCount
    package var fileSize: ByteCount
    /// Its place in the profile's order, from 1 on; nil where that does not name it.
    package var preference: Int?
    /// Why, with the numbers.
    package var reason: String
    /// Every requirement that is not met.
    package var refusals: [VariantRefusal]

    /// A verdict of the choice among variants, and what that does not say of the variant.
    package init(_ verdict: VariantVerdict, fileSize: ByteCount, runs: Bool, profile: DeviceProfile) {
        digest = verdict.variant
        quantization = verdict.quantization
        self.verdict = verdict.code
        self.runs = runs
        memory = verdict.memory
        self.fileSize = fileSize
        preference = profile.rank(of: verdict.quantization).map { $0 + 1 }
        reason = verdict.reason
        refusals = verdict.refusals
    }
}
