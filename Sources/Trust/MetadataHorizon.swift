package import MartletTypes
internal import TUF

/// How far ahead the roles that a registry signs by itself may end, for a device to take them up: its own policy on top
/// of TUF, which knows no such bound.
///
/// Without it whoever holds the online keys for an hour could sign a timestamp for ten years, and after being thrown
/// out
/// hide everything newer with it from each device that he reaches. What publishers and the owner sign is not concerned:
/// those keys are offline, and they choose how long they vouch.
package enum MetadataHorizon: Sendable, Hashable {
    /// From the registry, which signs again at half of its roles' life.
    case network
    /// From a bundle, whose validity an operator asked for.
    case bundle

    /// The longest that the registry signs for sites without a network: 90 days.
    package static let offlineLife = Duration.seconds(90 * 86_400)
    /// How far this device's clock may be behind the registry's.
    static let tolerance = Duration.seconds(86_400)

    /// Throws `expiresTooFar` where `bytes`, about to be taken up as the metadata file `name`, say that they hold
    /// longer
    /// than such a role may. Whether they are signed is not looked at, and what is no metadata is for others to refuse.
    package func check(_ name: String, _ bytes: [UInt8], now: Timestamp) throws(TrustError) {
        guard let (role, life) = life(of: name),
            let text = (try? JSONValue(parsing: bytes))?["signed"]?["expires"]?.string,
            let expires = try? Timestamp(text), expires > now + life + Self.tolerance
        else { return }
        throw TrustError(
            .expiresTooFar,
            "The \(role) would hold until \(expires), and it is \(now) here: more than the "
                + "\(life.components.seconds / 86_400) days that a registry signs for.")
    }

    /// The role of a file and how long it may hold; nil where this does not bound it.
    private func life(of name: String) -> (role: String, life: Duration)? {
        // Of `3.snapshot.json` the name without its version.
        let parts = name.split(separator: ".", maxSplits: 1)
        let file = parts.count == 2 && parts[0].allSatisfy(\.isNumber) ? String(parts[1]) : name
        switch file {
        case MetadataPath.file(TimestampMetadata.type):
            return (TimestampMetadata.type, self == .network ? MetadataLifetime.timestamp : Self.offlineLife)
        case MetadataPath.file(SnapshotMetadata.type):
            return (SnapshotMetadata.type, self == .network ? MetadataLifetime.snapshot : Self.offlineLife)
        default: return nil
        }
    }
}
