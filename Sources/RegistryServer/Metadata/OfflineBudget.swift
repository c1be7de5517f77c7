import BundleFormat
package import MartletTypes

/// How much is signed for one bundle: it is held in memory here, goes to the operator as one JSON document, and stands
/// before the blobs of the bundle, where a device holds it in memory too.
package struct OfflineBudget: Sendable {
    /// Devices in one bundle.
    package static let devices = 1000
    /// Bytes of all that is signed: a quarter of what a bundle may have before its blobs, which leaves room for
    /// metadata and manifests, and half of what an operator's client takes as an answer, since JSON within JSON grows.
    package static let bytes = Int(BundleLimits.frontBytes / 4)

    private var left = Self.bytes

    package init() {}

    /// Takes what was signed for a device off the budget; throws 422 `tooLarge` where it is used up.
    package mutating func take(_ document: String, for device: DeviceID) throws {
        left -= document.utf8.count
        guard left < 0 else { return }
        throw ServerError.unprocessable(
            "tooLarge",
            "The assignments up to \(device)'s have more than \(Self.bytes / (1024 * 1024)) MiB, too much for one "
                + "bundle.",
            remedy: "Make one bundle for each site.", field: "/devices")
    }
}
