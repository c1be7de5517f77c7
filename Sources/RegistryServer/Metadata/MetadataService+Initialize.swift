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
                    remedy: "Change keys with `martlet trust rotate`; believe its root with `martlet trust pin`.")
            }
            let rootBytes = Array(request.root.utf8)
            let root = try MetadataRepository.acceptRoot(rootBytes, after: nil, now: now)
            try OnlineKeyRules.check(root, core.keyring)
            let targetsBytes = Array(request.targets.utf8)
            let targets = try MetadataRepository.acceptTargets(
                targetsBytes, role: TopLevelRole.targets.rawValue, verifier: root.verifier(for: .targets), current: 0,
                now: now)
            let trustBytes = Array(request.trustDocument.utf8)
            try OnlineKeyRules.checkTrustDocument(trustBytes, in: targets, core.keyring)
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
        try await settleKeys()
        core.logger.info("the root is in place; the registry is ready")
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
