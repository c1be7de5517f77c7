import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

/// The TUF repository: serves metadata, accepts what owners and publishers signed, signs snapshot and timestamp.
struct MetadataService: Sendable {
    let core: RegistryCore

    /// A file by its name as clients ask for it: `timestamp.json` or `3.clinic.json`; nil where there is none.
    func file(_ name: String) async throws -> [UInt8]? {
        guard name.hasSuffix(".json") else { return nil }
        let stem = name.dropLast(".json".count)
        if stem == TopLevelRole.timestamp.rawValue {
            return try await core.database.read { try RoleStore($0).current(String(stem))?.bytes }
        }
        guard let dot = stem.firstIndex(of: "."), let version = Int64(stem[..<dot]), version > 0 else { return nil }
        let role = String(stem[stem.index(after: dot)...])
        return try await core.database.read { try RoleStore($0).find(role, version: version)?.bytes }
    }

    /// A target that is no release, by the consistent-snapshot name `DIR/HASH.NAME`; nil where there is none.
    func target(_ path: String) async throws -> [UInt8]? {
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { path[...$0] } ?? ""
        let file = slash.map { path[path.index(after: $0)...] } ?? path[...]
        guard let dot = file.firstIndex(of: "."), let digest = try? Digest("sha256:" + file[..<dot]) else { return nil }
        let name = String(folder + file[file.index(after: dot)...])
        return try await core.database.read { try RoleStore($0).target(name, digest) }
    }

    /// Signs a new timestamp, and a new snapshot where that is due too, once half of their life is over.
    ///
    /// Does nothing before there is a root.
    func renew() async throws {
        let core = core
        let wasSigned = try await core.database.write { sql -> Bool in
            let store = RoleStore(sql)
            let now = core.clock()
            guard try store.currentVersion(of: TopLevelRole.root.rawValue) != nil else { return false }
            func isDue(_ role: TopLevelRole, _ life: Duration) throws -> Bool {
                guard let current = try store.current(role.rawValue) else { return true }
                return current.expires - now < life / 2
            }
            if try isDue(.snapshot, MetadataLifetime.snapshot) {
                try Self.signSnapshot(sql, core, now)
                return true
            }
            guard try isDue(.timestamp, MetadataLifetime.timestamp),
                let snapshot = try store.current(TopLevelRole.snapshot.rawValue)
            else { return false }
            try Self.signTimestamp(over: snapshot, sql, core, now)
            return true
        }
        if wasSigned { core.logger.info("signed the timestamp again") }
    }

    /// Signs the next snapshot over what is current, and the next timestamp over it; returns the snapshot's version.
    /// `named` are roles that are not here, and that devices have seen named elsewhere.
    @discardableResult
    static func signSnapshot(
        _ sql: any SQLConnection, _ core: RegistryCore, _ now: Timestamp,
        above accepted: (snapshot: Int64, timestamp: Int64) = (0, 0), naming named: [String: MetadataFileInfo] = [:]
    ) throws -> Int64 {
        let store = RoleStore(sql)
        let roles = try NamedRoles(store).roles.merging(named) { _, newer in newer }
        let role = TopLevelRole.snapshot.rawValue
        let current = try store.currentVersion(of: role)
        let next = max(current ?? 0, accepted.snapshot) + 1
        let snapshot = MetadataRepository.snapshot(version: Int(next), now: now, roles: roles)
        let bytes = try SignedEnvelope.sign(snapshot.json, by: [try onlineKey(.snapshot, store, core)]).encoded()
        let stored = StoredMetadata(role: role, version: next, bytes: bytes, expires: snapshot.expires)
        try store.put(stored, replacing: current, now: now)
        try signTimestamp(over: stored, sql, core, now, above: accepted.timestamp)
        return next
    }

    private static func signTimestamp(
        over snapshot: StoredMetadata, _ sql: any SQLConnection, _ core: RegistryCore, _ now: Timestamp,
        above accepted: Int64 = 0
    ) throws {
        let store = RoleStore(sql)
        let role = TopLevelRole.timestamp.rawValue
        let current = try store.currentVersion(of: role)
        let next = max(current ?? 0, accepted) + 1
        let timestamp = MetadataRepository.timestamp(
            version: Int(next), now: now, snapshotVersion: Int(snapshot.version), snapshotBytes: snapshot.bytes)
        let bytes = try SignedEnvelope.sign(timestamp.json, by: [try onlineKey(.timestamp, store, core)]).encoded()
        try store.put(
            StoredMetadata(role: role, version: next, bytes: bytes, expires: timestamp.expires), replacing: current,
            now: now)
    }

    /// The key that the current root names for an online role.
    static func onlineKey(
        _ role: TopLevelRole, _ store: RoleStore, _ core: RegistryCore
    ) throws -> KeyPair {
        guard let bytes = try store.current(TopLevelRole.root.rawValue)?.bytes else { throw ServerError.noRoot }
        let root: RootMetadata = try ChangeCheck.document(bytes, Limits.tufRootBytes)
        guard let key = core.keyring.signer(for: role, in: root) else {
            throw ServerError(
                500, "wrongOnlineKey", "The root names a \(role.rawValue) key that is not in the data folder.",
                remedy: "Restore the keys that belong to this database, or rotate \(role.rawValue) to a new key.",
                fault: .environment)
        }
        return key
    }
}

extension MetadataService {
    /// 2^53 - 1: the largest whole number that every JSON parser keeps.
    static let highestVersion: Int64 = 9_007_199_254_740_991
    /// How far a device may push versions: one that lies must not use them up.
    private static let furthestJump: Int64 = 1_000_000

    /// Whether a device has accepted versions above those of this registry.
    static func isBehind(_ sql: any SQLConnection, snapshot: Int64, timestamp: Int64) throws -> Bool {
        func isAbove(_ role: TopLevelRole, _ accepted: Int64) throws -> Bool {
            guard accepted > 0, let current = try RoleStore(sql).currentVersion(of: role.rawValue) else {
                return false
            }
            return accepted > current && accepted - current <= furthestJump
        }
        return try isAbove(.snapshot, snapshot) || isAbove(.timestamp, timestamp)
    }

    /// Signs above versions that a device has accepted: this registry was restored from a backup that is behind them.
    func continueAbove(snapshot: Int64, timestamp: Int64) async throws {
        let core = core
        let isSigned = try await core.database.write { sql in
            let now = core.clock()
            guard try Self.isBehind(sql, snapshot: snapshot, timestamp: timestamp) else { return false }
            try Self.signSnapshot(sql, core, now, above: (snapshot: snapshot, timestamp: timestamp))
            try AuditLog(sql).append(
                actor: "registry", action: "tuf.continueAbove", subject: "snapshot",
                detail: .object(["snapshot": .integer(snapshot), "timestamp": .integer(timestamp)]), now: now)
            return true
        }
        guard isSigned else { return }
        core.logger.warning("metadata went on above what devices have accepted: was an older backup restored?")
    }
}
