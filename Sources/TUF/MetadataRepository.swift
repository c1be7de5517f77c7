package import MartletTypes

/// The repository's side of the workflow, pure: what it signs itself, and what it accepts from owners and publishers.
package enum MetadataRepository {
    /// The next snapshot over a table of roles (role name without `.json`).
    package static func snapshot(
        version: Int, now: Timestamp, roles: [String: MetadataFileInfo]
    ) -> SnapshotMetadata {
        SnapshotMetadata(version: version, expires: now + MetadataLifetime.snapshot, roles: roles)
    }

    /// The next timestamp over the bytes of a signed snapshot.
    package static func timestamp(
        version: Int, now: Timestamp, snapshotVersion: Int, snapshotBytes: [UInt8]
    ) -> TimestampMetadata {
        TimestampMetadata(
            version: version, expires: now + MetadataLifetime.timestamp,
            snapshot: MetadataFileInfo(version: snapshotVersion, of: snapshotBytes))
    }

    /// Checks a root that is handed in: the first must be version 1, a later one the successor of `current`, and not
    /// expired.
    package static func acceptRoot(
        _ bytes: [UInt8], after current: RootMetadata?, now: Timestamp
    ) throws(TUFError) -> RootMetadata {
        let limits = TUFClientLimits()
        let root: RootMetadata
        if let current {
            var set = TrustedMetadataSet(root: current, limits: limits, referenceTime: now)
            try set.updateRoot(bytes)
            root = set.root
        } else {
            root = try TrustedMetadataSet(trustedRoot: bytes, limits: limits, referenceTime: now).root
            guard root.version == 1 else {
                throw TUFError(
                    .versionMismatch, role: RootMetadata.type, "The first root is version 1, not \(root.version).")
            }
        }
        try requireCurrent(root, role: RootMetadata.type, now: now)
        return root
    }

    /// Checks targets of a role that are handed in: signed by the delegator's keys, not expired, one version above
    /// `current`
    /// (compare and swap: `versionMismatch` tells a publisher to apply its edit again). `current` is 0 for a new role.
    package static func acceptTargets(
        _ bytes: [UInt8], role: String, verifier: RoleVerifier, current: Int, now: Timestamp
    ) throws(TUFError) -> TargetsMetadata {
        let targets = try verifier.read(
            TargetsMetadata.self, from: bytes, limit: Limits.tufMetadataBytes, role: role)
        guard targets.version == current + 1 else {
            throw TUFError(
                .versionMismatch, role: role, "Version \(current + 1) of \(role) is wanted, got \(targets.version).")
        }
        try requireCurrent(targets, role: role, now: now)
        return targets
    }

    private static func requireCurrent(
        _ metadata: some RoleMetadata, role: String, now: Timestamp
    ) throws(TUFError) {
        guard !metadata.isExpired(at: now) else {
            throw TUFError(.expired, role: role, "\(role) \(metadata.version) expired at \(metadata.expires).")
        }
    }
}

/// One change that a publisher wants in a bin; kept as such, so that it can be applied again when another came first.
package enum PublisherEdit: Sendable, Hashable {
    /// Publishes a release, or changes what is said about it.
    case add(path: String, file: TargetFile)
    /// Withdraws a release.
    case remove(path: String)

    /// The path that is changed.
    package var path: String {
        switch self {
        case .add(let path, _), .remove(let path): path
        }
    }

    /// The next version of the bin with the change in it, to be signed.
    package func applied(to bin: TargetsMetadata, now: Timestamp) -> TargetsMetadata {
        let changed =
            switch self {
            case .add(let path, let file): bin.adding(path, file)
            case .remove(let path): bin.removing(path)
            }
        return changed.next(expires: now + MetadataLifetime.namespace)
    }
}
