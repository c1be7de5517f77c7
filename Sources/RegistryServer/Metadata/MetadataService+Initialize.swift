import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

extension MetadataService {
    /// Accepts the first signed metadata: everything is verified before anything is kept, in one transaction.
    ///
    /// Throws 409 `alreadyInitialized`, 422 naming what does not hold.
    func initialize(_ request: TrustInitialization, actor: String) async throws {
        let core = core
        try await core.database.write { sql in
            let store = RoleStore(sql)
            let now = core.clock()
            guard try store.currentVersion(of: TopLevelRole.root.rawValue) == nil else {
                throw ServerError.conflict(
                    "alreadyInitialized", "This registry has a root already.",
                    remedy: "Keys change by the next version of the root, signed by the former and the new keys.")
            }
            let rootBytes = Array(request.root.utf8)
            let root = try MetadataRepository.acceptRoot(rootBytes, after: nil, now: now)
            try Self.checkOnlineKeys(of: root, core.keyring)
            let targetsBytes = Array(request.targets.utf8)
            let targets = try MetadataRepository.acceptTargets(
                targetsBytes, role: TopLevelRole.targets.rawValue, verifier: root.verifier(for: .targets), current: 0,
                now: now)
            let trustBytes = Array(request.trustDocument.utf8)
            try Self.checkTrustDocument(trustBytes, in: targets, core.keyring)
            let delegated = try Self.acceptDelegated(request.delegated, below: targets, now: now)

            try store.put(
                StoredMetadata(
                    role: TopLevelRole.root.rawValue, version: Int64(root.version), bytes: rootBytes,
                    expires: root.expires), replacing: nil, now: now)
            try store.put(
                StoredMetadata(
                    role: TopLevelRole.targets.rawValue, version: Int64(targets.version), bytes: targetsBytes,
                    expires: targets.expires), replacing: nil, now: now)
            for (role, metadata) in delegated {
                try store.put(
                    StoredMetadata(
                        role: role, version: Int64(metadata.version),
                        bytes: Array((request.delegated[role] ?? "").utf8),
                        expires: metadata.expires), replacing: nil, now: now)
            }
            try store.putTarget(TrustDocument.path, trustBytes, now: now)
            try Self.signSnapshot(sql, core, now)
            try AuditLog(sql).append(
                actor: actor, action: "trust.init", subject: "root",
                detail: .object(["root": .string(Digest.of(rootBytes).text)]), now: now)
        }
        core.changes.announce(.metadata, CollectionOfOne(TopLevelRole.root.rawValue))
        core.logger.info("the root is in place; the registry is ready")
    }

    /// The root must give the online roles to our keys alone, and the offline roles to none of them.
    private static func checkOnlineKeys(of root: RootMetadata, _ keyring: OnlineKeyring) throws {
        for (role, key) in [(TopLevelRole.snapshot, keyring.snapshot), (.timestamp, keyring.timestamp)] {
            let verifier = root.verifier(for: role)
            guard verifier.threshold == 1, verifier.keys[key.publicKey.keyID] != nil else {
                throw ServerError.unprocessable(
                    "wrongOnlineKey", "The root does not name this registry's \(role.rawValue) key.",
                    remedy: "Fetch /api/v1/trust/online-keys of this registry and sign the root again.", field: "/root")
            }
        }
        let online = [keyring.snapshot, keyring.timestamp, keyring.director].map(\.publicKey.keyID)
        for role in [TopLevelRole.root, .targets]
        where online.contains(where: { root.verifier(for: role).keys[$0] != nil }) {
            throw ServerError.unprocessable(
                "onlineKeyForOfflineRole", "The root gives \(role.rawValue) to a key that this registry holds.",
                remedy: "Sign \(role.rawValue) with a key that never leaves its owner.", field: "/root")
        }
    }

    /// The trust document must be the one that targets names, and must name our director and authority.
    static func checkTrustDocument(
        _ bytes: [UInt8], in targets: TargetsMetadata, _ keyring: OnlineKeyring
    ) throws {
        func refusal(_ message: String) -> ServerError {
            .unprocessable(
                "wrongTrustDocument", message, remedy: "Make \(TrustDocument.path) from this registry's online keys.",
                field: "/trustDocument")
        }
        guard let target = targets.targets[TrustDocument.path] else {
            throw refusal("The targets role does not name \(TrustDocument.path).")
        }
        try target.check(bytes, path: TrustDocument.path)
        let document: TrustDocument
        do {
            document = try TrustDocument(parsing: bytes)
        } catch {
            throw refusal("\(TrustDocument.path) cannot be read: \(error)")
        }
        guard document.directorThreshold == 1, document.directorKeys[keyring.director.publicKey.keyID] != nil else {
            throw refusal("\(TrustDocument.path) does not name this registry's director key.")
        }
        let fingerprints = try document.certificateAuthorities.map {
            try CertificateFacts(Array($0.utf8)).sha256Fingerprint
        }
        guard fingerprints.contains(keyring.authority.facts.sha256Fingerprint) else {
            throw refusal("\(TrustDocument.path) does not name this registry's certificate authority.")
        }
    }

    /// Verifies delegated roles, each by whoever delegates to it, in the order in which that becomes possible.
    private static func acceptDelegated(
        _ files: [String: String], below targets: TargetsMetadata, now: Timestamp
    ) throws -> [(String, TargetsMetadata)] {
        var accepted: [(String, TargetsMetadata)] = []
        var delegators = [targets]
        var waiting = files
        var index = 0
        while index < delegators.count {
            let delegations = delegators[index].delegations
            index += 1
            for (role, text) in waiting.sorted(by: { $0.key < $1.key }) {
                guard let verifier = delegations?.verifier(for: role) else { continue }
                let metadata = try MetadataRepository.acceptTargets(
                    Array(text.utf8), role: role, verifier: verifier, current: 0, now: now)
                guard metadata.targets.isEmpty else {
                    throw ServerError.unprocessable(
                        "releasesTooEarly", "Role \(role) names releases before the registry has any content.",
                        remedy: "Publish them after `martlet trust init`.", field: "/delegated/\(role)")
                }
                accepted.append((role, metadata))
                delegators.append(metadata)
                waiting[role] = nil
            }
        }
        if let stray = waiting.keys.sorted().first {
            throw ServerError.unprocessable(
                "notDelegated", "Nobody delegates to role \(stray).", remedy: "Delegate to it, or leave it out.",
                field: "/delegated/\(stray)")
        }
        return accepted
    }
}
