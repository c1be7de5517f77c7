/// How long metadata is valid from when it is signed: short where an online key signs, long where a person must.
package enum MetadataLifetime {
    private static let day = Duration.seconds(86_400)
    /// Root: signed by the owner, offline.
    package static let root = day * 365
    /// Top-level targets: signed by the owner, offline.
    package static let targets = day * 365
    /// A namespace role and its bins: bounds how long a device that was cut off believes a withdrawn release.
    package static let namespace = day * 30
    /// Snapshot: signed by the registry.
    package static let snapshot = day * 7
    /// Timestamp: signed by the registry; bounds how long a registry can be frozen unnoticed.
    package static let timestamp = day
}
