package import MartletTypes

/// The client workflow without I/O: bytes in, trusted values out, all against one reference time.
///
/// The order is root (any number of times), timestamp, snapshot, targets, delegated roles; another order throws
/// `outOfOrder`. A call that throws leaves the set as it was. Source: TUF 1.0 section 5.
package struct TrustedMetadataSet: Sendable {
    /// The time that every expiry is compared with.
    package let referenceTime: Timestamp
    /// The trusted root.
    package private(set) var root: RootMetadata
    /// The trusted timestamp, maybe expired: then it only guards against rollback.
    package private(set) var timestamp: TimestampMetadata?
    /// The trusted snapshot; until `hasCurrentSnapshot` it only guards against rollback.
    package private(set) var snapshot: SnapshotMetadata?
    /// Whether the snapshot is the one that timestamp names, and is not expired.
    package private(set) var hasCurrentSnapshot = false

    private let limits: TUFClientLimits
    private var delegated: [DelegatedKey: TargetsMetadata] = [:]

    /// A role is trusted only under the keys by which it was verified: reached from another delegator it is verified
    /// anew.
    private struct DelegatedKey: Hashable {
        let role: String
        let verifier: RoleVerifier
    }

    /// Starts from a root that is trusted by other means; it must be signed by its own keys. Expiry comes later.
    package init(trustedRoot bytes: [UInt8], limits: TUFClientLimits, referenceTime: Timestamp) throws(TUFError) {
        let envelope = try Self.parse(bytes, limit: limits.rootBytes, role: RootMetadata.type)
        root = try RootMetadata(json: envelope.signed)
        try root.verifier(for: .root).verify(envelope, role: RootMetadata.type)
        self.limits = limits
        self.referenceTime = referenceTime
    }

    /// Starts from a root that was verified before.
    init(root: RootMetadata, limits: TUFClientLimits, referenceTime: Timestamp) {
        self.root = root
        self.limits = limits
        self.referenceTime = referenceTime
    }

    /// Takes the next root: version exactly one higher, signed by the current and by its own keys (5.3.4, 5.3.5).
    ///
    /// It may be expired, because the one after it may not be.
    package mutating func updateRoot(_ bytes: [UInt8]) throws(TUFError) {
        guard timestamp == nil else { throw Self.outOfOrder("root after timestamp") }
        let role = RootMetadata.type
        let envelope = try Self.parse(bytes, limit: limits.rootBytes, role: role)
        try root.verifier(for: .root).verify(envelope, role: role)
        let next = try RootMetadata(json: envelope.signed)
        try next.verifier(for: .root).verify(envelope, role: role)
        guard next.version == root.version + 1 else {
            throw TUFError(.versionMismatch, role: role, "Expected root \(root.version + 1), got \(next.version).")
        }
        root = next
    }

    /// What became of a timestamp.
    package enum TimestampUpdate: Sendable {
        case updated
        /// The same version as before: the former one stays, whatever the new bytes say.
        case unchanged
    }

    /// Takes a timestamp, local or remote (5.4). Its expiry is checked by `requireCurrentTimestamp`.
    package mutating func updateTimestamp(_ bytes: [UInt8]) throws(TUFError) -> TimestampUpdate {
        guard snapshot == nil else { throw Self.outOfOrder("timestamp after snapshot") }
        let role = TimestampMetadata.type
        try Self.requireCurrent(root, at: referenceTime, role: RootMetadata.type)
        let next = try root.verifier(for: .timestamp)
            .read(TimestampMetadata.self, from: bytes, limit: limits.timestampBytes, role: role)
        if let former = timestamp {
            guard next.version >= former.version else {
                throw TUFError(.rollback, role: role, "Timestamp \(next.version) is older than \(former.version).")
            }
            guard next.version > former.version else { return .unchanged }
            guard next.snapshot.version >= former.snapshot.version else {
                throw TUFError(
                    .rollback, role: role,
                    "Timestamp names snapshot \(next.snapshot.version), older than \(former.snapshot.version).")
            }
        }
        timestamp = next
        return .updated
    }

    /// Throws `expired` where the timestamp may not be followed any more: a freeze, or nobody signs (5.4.4).
    package func requireCurrentTimestamp() throws(TUFError) {
        guard let timestamp else { throw Self.outOfOrder("snapshot before timestamp") }
        try Self.requireCurrent(timestamp, at: referenceTime, role: TimestampMetadata.type)
    }

    /// Takes a snapshot from the repository, which must be the one that timestamp names (5.5).
    package mutating func updateSnapshot(_ bytes: [UInt8]) throws(TUFError) {
        var next = self
        try next.loadSnapshot(bytes, isLocal: false)
        try next.requireCurrentSnapshot()
        self = next
    }

    /// Takes a snapshot that was accepted before: the current one if timestamp still names it, else a guard against
    /// rollback.
    package mutating func updateSnapshot(local bytes: [UInt8]) throws(TUFError) {
        try loadSnapshot(bytes, isLocal: true)
    }

    private mutating func loadSnapshot(_ bytes: [UInt8], isLocal: Bool) throws(TUFError) {
        try requireCurrentTimestamp()
        guard delegated.isEmpty, let info = timestamp?.snapshot else { throw Self.outOfOrder("snapshot after targets") }
        let role = SnapshotMetadata.type
        if !isLocal { try info.check(bytes, role: role) }
        let next = try root.verifier(for: .snapshot)
            .read(SnapshotMetadata.self, from: bytes, limit: limits.snapshotBytes, role: role)
        for (name, former) in snapshot?.roles ?? [:] {
            guard let found = next.roles[name] else {
                throw TUFError(.rollback, role: role, "Snapshot \(next.version) lacks role \(name).")
            }
            guard found.version >= former.version else {
                throw RoleBehind(role: name, named: found.version, seen: former.version).error
            }
        }
        snapshot = next
        hasCurrentSnapshot = false
        if isLocal {
            do {
                try info.check(bytes, role: role)
                try requireCurrentSnapshot()
            } catch {
                return
            }
        }
        hasCurrentSnapshot = true
    }

    private func requireCurrentSnapshot() throws(TUFError) {
        guard let snapshot, let info = timestamp?.snapshot else { throw Self.outOfOrder("targets before snapshot") }
        let role = SnapshotMetadata.type
        guard snapshot.version == info.version else {
            throw TUFError(
                .versionMismatch, role: role, "Timestamp names snapshot \(info.version), got \(snapshot.version).")
        }
        try Self.requireCurrent(snapshot, at: referenceTime, role: role)
    }

    /// Takes the top-level targets (5.6).
    @discardableResult
    package mutating func updateTargets(_ bytes: [UInt8]) throws(TUFError) -> TargetsMetadata {
        try updateDelegatedTargets(bytes, role: TargetsMetadata.type, verifier: root.verifier(for: .targets))
    }

    /// Takes targets of `role` as one delegator's keys verify them; snapshot must name exactly this version (5.6.7).
    @discardableResult
    package mutating func updateDelegatedTargets(
        _ bytes: [UInt8], role: String, verifier: RoleVerifier
    ) throws(TUFError) -> TargetsMetadata {
        guard hasCurrentSnapshot else { throw Self.outOfOrder("targets before snapshot") }
        let info = try fileInfo(of: role)
        try info.check(bytes, role: role)
        let next = try verifier.read(TargetsMetadata.self, from: bytes, limit: limits.targetsBytes, role: role)
        guard next.version == info.version else {
            throw TUFError(
                .versionMismatch, role: role, "Snapshot names \(role) \(info.version), got \(next.version).")
        }
        try Self.requireCurrent(next, at: referenceTime, role: role)
        delegated[DelegatedKey(role: role, verifier: verifier)] = next
        return next
    }

    /// What snapshot says about a role; throws `unknownRole` where it says nothing.
    package func fileInfo(of role: String) throws(TUFError) -> MetadataFileInfo {
        guard let snapshot, hasCurrentSnapshot else { throw Self.outOfOrder("targets before snapshot") }
        guard let info = snapshot.roles[role] else {
            throw TUFError(.unknownRole, role: role, "Snapshot \(snapshot.version) does not name role \(role).")
        }
        return info
    }

    /// The trusted targets of a role under the keys of one delegator, if they were loaded.
    package func targets(of role: String, verifier: RoleVerifier) -> TargetsMetadata? {
        delegated[DelegatedKey(role: role, verifier: verifier)]
    }

    private static func requireCurrent(
        _ metadata: some RoleMetadata, at time: Timestamp, role: String
    ) throws(TUFError) {
        guard !metadata.isExpired(at: time) else {
            throw TUFError(
                .expired, role: role, "\(role) \(metadata.version) expired at \(metadata.expires); it is \(time).")
        }
    }

    private static func parse(_ bytes: [UInt8], limit: Int, role: String) throws(TUFError) -> SignedEnvelope {
        do {
            return try SignedEnvelope(parsing: bytes, limit: limit)
        } catch {
            throw TUFError(error.reason, role: role, "\(role): \(error.message)")
        }
    }

    private static func outOfOrder(_ what: String) -> TUFError {
        TUFError(.outOfOrder, "The workflow was called out of order: \(what).")
    }
}

extension RoleVerifier {
    /// Parses, verifies and reads metadata of a role. Expiry and version are the caller's.
    package func read<Metadata: RoleMetadata>(
        _ type: Metadata.Type, from bytes: [UInt8], limit: Int, role: String
    ) throws(TUFError) -> Metadata {
        let envelope: SignedEnvelope
        do {
            envelope = try SignedEnvelope(parsing: bytes, limit: limit)
        } catch {
            throw TUFError(error.reason, role: role, "\(role): \(error.message)")
        }
        try verify(envelope, role: role)
        do {
            return try Metadata(json: envelope.signed)
        } catch {
            throw TUFError(error.reason, role: role, error.message)
        }
    }
}
