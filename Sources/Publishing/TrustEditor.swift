package import MartletAPI
internal import MartletTypes
internal import RegistryClient
package import TUF
package import Trust

/// Makes the next versions of what owners sign, unsigned: keys and thresholds of every role, `martlet/trust.json`.
///
/// What a change makes invalid is part of the change: a new key of targets signs targets again, new keys of a namespace
/// sign it and its bins again. So no device ever finds a role that does not verify.
package struct TrustEditor: Sendable {
    let context: PublisherContext

    package init(context: PublisherContext) { self.context = context }

    /// Other keys, or another threshold, for root, targets or a namespace.
    ///
    /// With `suspending` a namespace is cut off at once, by the owner alone: its publishers sign again afterwards.
    package func keys(of role: String, _ change: KeyChange, suspending: Bool = false) async throws -> ChangeDraft {
        switch TopLevelRole(rawValue: role) {
        case .root: try await rootKeys(.root, change)
        case .targets: try await rootKeys(.targets, change)
        case .snapshot, .timestamp:
            throw PublishError(
                .badRequest, "The registry makes the key of \(role) itself.",
                remedy: "Run `martlet trust rotate \(role)`.")
        case nil: try await namespaceKeys(role, change, suspending)
        }
    }

    private func rootKeys(_ role: TopLevelRole, _ change: KeyChange) async throws -> ChangeDraft {
        let tree = try await context.standing()
        let keys = try change.applied(to: tree.root.verifier(for: role), of: role.rawValue)
        let now = context.clock()
        let root = try tree.root.next(expires: now + MetadataLifetime.root, replacing: [role: keys])
        var roles = [RootMetadata.type: root.json]
        if role == .targets {
            roles[TargetsMetadata.type] = tree.targets.next(expires: now + MetadataLifetime.targets).json
        }
        return try ChangeDraft(former: tree, roles: roles, note: "other keys for \(role.rawValue)")
    }

    private func namespaceKeys(
        _ namespace: String, _ change: KeyChange, _ suspending: Bool
    ) async throws -> ChangeDraft {
        let tree = try await context.standing(suspending ? [] : [namespace])
        guard let verifier = tree.verifier(for: namespace) else { throw PublishError.notDelegated(namespace) }
        let keys = try change.applied(to: verifier, of: namespace)
        let now = context.clock()
        let targets = try NamespaceLayout(namespace)
            .delegated(in: tree.targets, keys: keys.keys, threshold: keys.threshold)
        var roles = [TargetsMetadata.type: targets.next(expires: now + MetadataLifetime.targets).json]
        guard !suspending else {
            return try ChangeDraft(
                former: tree, roles: roles, suspends: [namespace], note: "cut off \(namespace)'s former keys")
        }
        let bins = try await context.bins(of: namespace, in: tree)
        for (role, metadata) in try Self.again(namespace, keys, tree, bins, now: now) { roles[role] = metadata.json }
        return try ChangeDraft(former: tree, bins: bins, roles: roles, note: "other keys for \(namespace)")
    }

    /// A namespace's role with these keys and its bins as they are, to be signed by them.
    private static func again(
        _ namespace: String, _ keys: (keys: [PublicKey], threshold: Int), _ tree: DelegationTree,
        _ bins: [String: TargetsMetadata], now: Timestamp
    ) throws -> [String: TargetsMetadata] {
        guard var role = tree.namespaces[namespace] else { throw PublishError.notDelegated(namespace) }
        let layout = try NamespaceLayout(namespace, of: role)
        role.delegations = try layout.namespaceRole(keys: keys.keys, threshold: keys.threshold, now: now).delegations
        var roles = bins.mapValues { $0.next(expires: now + MetadataLifetime.namespace) }
        roles[namespace] = role.next(expires: now + MetadataLifetime.namespace)
        return roles
    }

    /// A namespace that was cut off, to be signed again by those who may sign it now. What stands is not verified:
    /// every release in it counts as new.
    package func signingAgain(_ namespace: String) async throws -> ChangeDraft {
        var unverified = Set<String>()
        let tree = try await context.standing([namespace], unverified: &unverified)
        guard let verifier = tree.verifier(for: namespace), let role = tree.namespaces[namespace] else {
            throw PublishError.notDelegated(namespace)
        }
        var bins: [String: TargetsMetadata] = [:]
        for bin in try NamespaceLayout(namespace, of: role).bins {
            bins[bin] = try await context.role([namespace, bin], &unverified)
        }
        guard !unverified.isEmpty else {
            throw PublishError(
                .badRequest, "\(namespace) is signed by those who may sign it.",
                remedy: "Renew it with `martlet trust renew --namespace \(namespace)`.")
        }
        let keys = (keys: Array(verifier.keys.values), threshold: verifier.threshold)
        let roles = try Self.again(namespace, keys, tree, bins, now: context.clock())
        return try ChangeDraft(
            former: tree, bins: bins, roles: roles.mapValues(\.json), unverified: unverified,
            note: "sign \(namespace) again")
    }

    /// A further namespace for these publishers, with its empty roles.
    package func delegating(_ namespace: String, to keys: [PublicKey], threshold: Int) async throws -> ChangeDraft? {
        let layout = try NamespaceLayout(namespace)
        let tree = try await context.standing()
        if let known = tree.verifier(for: namespace) {
            guard Set(known.keys.keys) == Set(keys.map(\.keyID)), known.threshold == threshold else {
                throw PublishError(
                    .badRequest, "\(namespace) is delegated to other keys already.",
                    remedy: "Change them with `martlet trust rotate \(namespace)`.")
            }
            return nil
        }
        let now = context.clock()
        let targets = try layout.delegated(in: tree.targets, keys: keys, threshold: threshold)
        // A namespace that was removed before goes on above what devices have seen of it.
        func version(_ role: String) async -> Int { (await context.tuf.namedVersion(of: role) ?? 0) + 1 }
        var roles = [
            namespace: try layout.namespaceRole(
                version: await version(namespace), keys: keys, threshold: threshold, now: now
            ).json
        ]
        for bin in layout.bins {
            roles[bin] =
                TargetsMetadata(version: await version(bin), expires: now + MetadataLifetime.namespace).json
        }
        roles[TargetsMetadata.type] = targets.next(expires: now + MetadataLifetime.targets).json
        return try ChangeDraft(former: tree, roles: roles, note: "delegate \(namespace)")
    }

    /// Takes a namespace out of the delegations: nobody signs for it any more, and no device installs from it.
    package func removing(_ namespace: String) async throws -> ChangeDraft {
        let tree = try await context.standing()
        guard let targets = try NamespaceLayout(namespace).removed(from: tree.targets) else {
            throw PublishError(
                .badRequest, "There is no namespace \(namespace).", remedy: "`martlet trust status` lists them.")
        }
        let next = targets.next(expires: context.clock() + MetadataLifetime.targets)
        return try ChangeDraft(
            former: tree, roles: [TargetsMetadata.type: next.json], note: "remove the namespace \(namespace)")
    }
}

extension TrustEditor {
    /// How far a rotation of a registry's own key goes.
    package enum Step: Sendable {
        /// The next key beside the former one, so that nobody is cut off: devices follow within their refresh.
        case overlap
        /// The next key alone; the registry then removes the former one.
        case finish
    }

    /// The next key of the registry for `name`, made there where there is none yet.
    ///
    /// Snapshot and timestamp change in one step, because root, snapshot and timestamp change together.
    package func online(_ name: OnlineKeyName, _ step: Step) async throws -> ChangeDraft {
        let online = try await context.operators.makeOnlineKey(name)
        guard let next = online.next?[name.rawValue] else {
            throw PublishError(.badRegistry, "The registry made no next key for \(name.rawValue).")
        }
        switch name {
        case .snapshot, .timestamp:
            guard let role = TopLevelRole(rawValue: name.rawValue) else {
                throw PublishError(.badRequest, "\(name.rawValue) is no role.")
            }
            let tree = try await context.standing()
            let root = try tree.root.next(
                expires: context.clock() + MetadataLifetime.root, replacing: [role: ([try PublicKey(json: next)], 1)])
            return try ChangeDraft(former: tree, roles: [RootMetadata.type: root.json], note: "rotate \(name.rawValue)")
        case .director:
            let key = try PublicKey(json: next)
            return try await trustDocument("rotate the director's key") { document in
                if step == .finish { document.directorKeys = [:] }
                document.directorKeys[key.keyID] = key
            }
        case .authority:
            guard let pem = next.string, try CertificateFacts(Array(pem.utf8)).isAuthority else {
                throw PublishError(.badRegistry, "The registry's next authority is none.")
            }
            return try await trustDocument("rotate the certificate authority") { document in
                let others = document.certificateAuthorities.filter { $0 != pem }
                document.certificateAuthorities = step == .finish ? [pem] : [pem] + others
            }
        }
    }

    /// Other addresses of the devices' listener, and of where blobs may come from; the first address is preferred.
    package func origins(
        addresses: [String]?, blobOrigins: [String]? = nil
    ) async throws -> ChangeDraft {
        for origin in (addresses ?? []) + (blobOrigins ?? []) { _ = try Origin(origin) }
        return try await trustDocument("other addresses") { document in
            if let addresses { document.addresses = addresses }
            if let blobOrigins { document.blobOrigins = blobOrigins }
        }
    }

    /// The document as it stands, verified.
    package func trustDocument() async throws -> TrustDocument {
        try await context.refresh(despite: [.root, .targets])
        return try await HTTPMetadataFetcher(http: context.operators.api.http).trustDocument(context.tuf)
    }

    /// Targets with a changed trust document. Throws `badRequest` where nothing changes.
    private func trustDocument(
        _ note: String, _ change: (inout TrustDocument) throws -> Void
    ) async throws -> ChangeDraft {
        let tree = try await context.standing()
        let former = try await HTTPMetadataFetcher(http: context.operators.api.http).trustDocument(context.tuf)
        var document = former
        try change(&document)
        guard document != former else {
            throw PublishError(
                .badRequest, "\(TrustDocument.path) says so already.",
                remedy: "`martlet trust status` shows how far a rotation is; end it with --finish.")
        }
        let bytes = try document.encoded()
        let target = TargetFile(length: Int64(bytes.count), digest: .of(bytes))
        let targets = tree.targets.adding(TrustDocument.path, target)
            .next(expires: context.clock() + MetadataLifetime.targets)
        return try ChangeDraft(
            former: tree, roles: [TargetsMetadata.type: targets.json], trustDocument: bytes, note: note)
    }
}
