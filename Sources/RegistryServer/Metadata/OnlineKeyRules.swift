import MartletTypes
import TUF
import Trust

/// Which keys may stand where: online roles are the registry's own keys', offline roles never.
enum OnlineKeyRules {
    /// The root must give each online role to one key that this registry holds, and the offline roles to none of them.
    static func check(_ root: RootMetadata, _ keyring: OnlineKeyring) throws {
        for role in [TopLevelRole.snapshot, .timestamp] {
            let verifier = root.verifier(for: role)
            guard verifier.threshold == 1, keyring.signer(for: role, in: root) != nil else {
                throw ServerError.unprocessable(
                    "wrongOnlineKey", "The root does not name this registry's \(role.rawValue) key.",
                    remedy: "Fetch /api/v1/trust/online-keys of this registry and sign the root again.", field: "/root")
            }
        }
        for role in [TopLevelRole.root, .targets] {
            try checkOffline(root.verifier(for: role).keys, of: role.rawValue, keyring)
        }
    }

    /// Nor may a namespace be signed by a key that the registry holds.
    static func checkDelegations(of tree: DelegationTree, _ keyring: OnlineKeyring) throws {
        try checkOffline(tree.targets.delegations?.keys ?? [:], of: "a namespace", keyring)
        for (namespace, role) in tree.namespaces {
            try checkOffline(role.delegations?.keys ?? [:], of: namespace, keyring)
        }
    }

    private static func checkOffline(_ keys: [String: PublicKey], of role: String, _ keyring: OnlineKeyring) throws {
        guard keyring.keyIDs.isDisjoint(with: keys.keys) else {
            throw ServerError.unprocessable(
                "onlineKeyForOfflineRole", "The metadata gives \(role) to a key that this registry holds.",
                remedy: "Sign \(role) with a key that never leaves its owner.", field: "/root")
        }
    }

    /// The trust document must be the one that targets names, and must name a director and an authority of this
    /// registry: without them no device would follow it any more.
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
        guard keyring.directors(in: document).count >= document.directorThreshold else {
            throw refusal("\(TrustDocument.path) does not name this registry's director key.")
        }
        guard try keyring.holdsAuthority(of: document) else {
            throw refusal("\(TrustDocument.path) does not name this registry's certificate authority.")
        }
        guard !document.addresses.isEmpty, document.addresses.allSatisfy({ $0.hasPrefix("https://") }) else {
            throw refusal("\(TrustDocument.path) does not name where devices reach the registry by HTTPS.")
        }
    }
}
