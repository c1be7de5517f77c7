private import MartletTypes

/// Bounds on what a client reads from a repository. The defaults stand in `Limits`.
package struct TUFClientLimits: Sendable, Hashable {
    /// Bytes of one root file.
    package var rootBytes = Limits.tufRootBytes
    /// Bytes of the timestamp file.
    package var timestampBytes = Limits.tufTimestampBytes
    /// Bytes of a snapshot file whose length timestamp does not promise.
    package var snapshotBytes = Limits.tufMetadataBytes
    /// Bytes of a targets file whose length snapshot does not promise.
    package var targetsBytes = Limits.tufMetadataBytes
    /// Root versions followed in one refresh.
    package var rootRotations = Limits.tufRootRotations
    /// Delegated roles visited for one target.
    package var delegations = Limits.tufDelegations

    package init() {}
}
