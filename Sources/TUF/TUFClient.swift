package import MartletTypes

/// The client workflow with a repository and a store around `TrustedMetadataSet`.
///
/// Calls are served one after the other. Nothing is stored before it was verified, and a crash between two writes
/// leaves
/// a store from which the next client can go on.
package actor TUFClient {
    private let fetcher: any MetadataFetcher
    private let store: any MetadataStore
    private let limits: TUFClientLimits
    private var trustedRoot: RootMetadata
    /// Set by a refresh that succeeded, absent from the start of the next one until it succeeds.
    private var trusted: TrustedMetadataSet?
    private var lastLoaded: [String: TargetsMetadata] = [:]
    private var acceptedVersions: (timestamp: Int, snapshot: Int)
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Starts from the stored root, or from `trustedRoot` where that is newer or nothing usable is stored.
    ///
    /// Throws `TUFError` where `trustedRoot` is not signed by its own keys, and what the store throws.
    package init(
        trustedRoot bytes: [UInt8], fetcher: any MetadataFetcher, store: any MetadataStore,
        limits: TUFClientLimits = TUFClientLimits()
    ) throws {
        self.fetcher = fetcher
        self.store = store
        self.limits = limits
        trustedRoot = try RootAdoption(store: store, limits: limits).start(from: bytes)
        acceptedVersions = try Self.storedVersions(root: trustedRoot, store: store, limits: limits)
    }

    /// The highest versions accepted so far, over restarts; 0 where there are none.
    package var versions: (root: Int, timestamp: Int, snapshot: Int) {
        (trustedRoot.version, acceptedVersions.timestamp, acceptedVersions.snapshot)
    }

    /// The trusted root.
    package var root: RootMetadata { trustedRoot }

    /// The keys and threshold of a standard role in the trusted root.
    package func rootKeys(for role: TopLevelRole) -> RoleVerifier { trustedRoot.verifier(for: role) }

    /// The targets metadata of a role as last loaded since the last refresh; nil where no search has needed it.
    package func metadata(_ role: String) -> TargetsMetadata? { lastLoaded[role] }

    /// The version that the current snapshot names for a role, whether anybody delegates to it or not; nil where it
    /// names
    /// none.
    package func namedVersion(of role: String) -> Int? { trusted?.snapshot?.roles[role]?.version }

    /// Version and length of every role that the current snapshot names.
    package var namedRoles: [String: MetadataFileInfo] { trusted?.snapshot?.roles ?? [:] }

    /// Updates root, timestamp, snapshot and top-level targets; `now` is the time for all expiries until the next
    /// refresh.
    ///
    /// Throws `TUFError` where the repository is wrong, and what fetcher and store throw. After a failure `target`
    /// throws
    /// until a refresh succeeds.
    package func refresh(now: Timestamp) async throws {
        await enter()
        defer { leave() }
        trusted = nil
        lastLoaded = [:]
        try await updateRoot(now: now)
        var set = TrustedMetadataSet(root: trustedRoot, limits: limits, referenceTime: now)
        try await updateTimestamp(&set)
        try await updateSnapshot(&set)
        let targets = DelegationSearch.Step(
            role: TargetsMetadata.type, verifier: trustedRoot.verifier(for: .targets))
        _ = try await load(targets, &set)
        trusted = set
    }

    /// The targets metadata that is reached by delegations of these names, e.g. `["clinic", "clinic-bin-3"]`; of no
    /// name
    /// the top-level one.
    ///
    /// Nil where one of them is not delegated. Loads what was not loaded since the last refresh.
    package func role(_ chain: [String]) async throws -> TargetsMetadata? {
        await enter()
        defer { leave() }
        guard var set = trusted else { throw TUFError(.outOfOrder, "There was no successful refresh.") }
        defer { trusted = set }
        let targets = DelegationSearch.Step(role: TargetsMetadata.type, verifier: set.root.verifier(for: .targets))
        var metadata = try await load(targets, &set)
        for name in chain {
            guard let verifier = metadata.delegations?.verifier(for: name) else { return nil }
            metadata = try await load(DelegationSearch.Step(role: name, verifier: verifier), &set)
        }
        return metadata
    }

    /// The target at `path`, searched through the delegations; nil where no role that is trusted for it names it.
    ///
    /// Loads the delegated roles on its way that were not loaded since the last refresh.
    package func target(_ path: String) async throws -> TargetFile? { try await search(path).file }

    /// The target at `path`, and the version of each role in which it was looked for.
    package func search(_ path: String) async throws -> (file: TargetFile?, versions: [String: Int]) {
        await enter()
        defer { leave() }
        guard var set = trusted else { throw TUFError(.outOfOrder, "There was no successful refresh.") }
        defer { trusted = set }
        var search = DelegationSearch(path: path, root: set.root, limit: limits.delegations)
        var versions: [String: Int] = [:]
        while let step = try search.next() {
            let metadata = try await load(step, &set)
            versions[step.role] = metadata.version
            if case .found(let file) = search.visit(metadata) { return (file, versions) }
        }
        return (nil, versions)
    }
}

extension TUFClient {
    private func updateRoot(now: Timestamp) async throws {
        let last = trustedRoot.version + limits.rootRotations
        while trustedRoot.version < last {
            let path = MetadataPath.file(RootMetadata.type, version: trustedRoot.version + 1)
            guard let bytes = try await fetch(path, role: RootMetadata.type, limit: limits.rootBytes) else { return }
            var set = TrustedMetadataSet(root: trustedRoot, limits: limits, referenceTime: now)
            try set.updateRoot(bytes)
            if try RootAdoption(store: store, limits: limits).adopt(bytes, set.root, after: trustedRoot) {
                acceptedVersions = (0, 0)
            }
            trustedRoot = set.root
        }
    }

    private func updateTimestamp(_ set: inout TrustedMetadataSet) async throws {
        let role = TimestampMetadata.type
        if let local = try store.load(role) {
            do {
                _ = try set.updateTimestamp(local)
            } catch {
                // A stored timestamp that its keys do not verify any more guards nothing; a new one is fetched anyway.
                guard error.role == role else { throw error }
            }
        }
        let path = MetadataPath.file(role)
        guard let bytes = try await fetch(path, role: role, limit: limits.timestampBytes) else {
            throw TUFError(.missing, role: role, "The repository has no \(path).")
        }
        let update = try set.updateTimestamp(bytes)
        try set.requireCurrentTimestamp()
        if update == .updated { try store.save(role, bytes) }
        acceptedVersions.timestamp = set.timestamp?.version ?? 0
    }

    private func updateSnapshot(_ set: inout TrustedMetadataSet) async throws {
        let role = SnapshotMetadata.type
        if let local = try store.load(role) {
            do {
                try set.updateSnapshot(local: local)
            } catch {
                // As with timestamp: what cannot be verified any more guards nothing.
                guard error.role == role else { throw error }
            }
        }
        if !set.hasCurrentSnapshot, let info = set.timestamp?.snapshot {
            let path = MetadataPath.file(role, version: set.root.consistentSnapshot ? info.version : nil)
            let limit = info.fetchLimit(limits.snapshotBytes)
            guard let bytes = try await fetch(path, role: role, limit: limit) else {
                throw TUFError(.missing, role: role, "The repository has no \(path).")
            }
            try set.updateSnapshot(bytes)
            try store.save(role, bytes)
        }
        acceptedVersions.snapshot = set.snapshot?.version ?? 0
    }

    /// Targets of a role: as loaded before, as stored if they verify under the delegator at hand, else fetched.
    private func load(
        _ step: DelegationSearch.Step, _ set: inout TrustedMetadataSet
    ) async throws -> TargetsMetadata {
        let role = step.role
        if let known = set.targets(of: role, verifier: step.verifier) { return known }
        let info = try set.fileInfo(of: role)
        if let local = try store.load(role) {
            do {
                let targets = try set.updateDelegatedTargets(local, role: role, verifier: step.verifier)
                lastLoaded[role] = targets
                return targets
            } catch {
                // Stored under another delegator, version or key: the repository has the one that is wanted.
            }
        }
        let path = MetadataPath.file(role, version: set.root.consistentSnapshot ? info.version : nil)
        guard let bytes = try await fetch(path, role: role, limit: info.fetchLimit(limits.targetsBytes)) else {
            throw TUFError(.missing, role: role, "The repository has no \(path).")
        }
        let targets = try set.updateDelegatedTargets(bytes, role: role, verifier: step.verifier)
        try store.save(role, bytes)
        lastLoaded[role] = targets
        return targets
    }

    private func fetch(_ path: String, role: String, limit: Int) async throws -> [UInt8]? {
        guard let bytes = try await fetcher.fetch(path, limit: limit) else { return nil }
        guard bytes.count <= limit else {
            throw TUFError(.lengthExceeded, role: role, "\(path) is longer than the limit of \(limit) bytes.")
        }
        return bytes
    }

    /// Waits for one's turn: the actor alone would let two refreshes interleave at their awaits and store out of order.
    private func enter() async {
        guard isBusy else {
            isBusy = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func leave() {
        if waiting.isEmpty {
            isBusy = false
        } else {
            waiting.removeFirst().resume()
        }
    }

    private static func storedVersions(
        root: RootMetadata, store: any MetadataStore, limits: TUFClientLimits
    ) throws -> (timestamp: Int, snapshot: Int) {
        func version<Metadata: RoleMetadata>(_ type: Metadata.Type, _ role: TopLevelRole, _ limit: Int) throws -> Int {
            guard let bytes = try store.load(role.rawValue) else { return 0 }
            do {
                return try root.verifier(for: role).read(type, from: bytes, limit: limit, role: role.rawValue).version
            } catch {
                return 0
            }
        }
        return (
            try version(TimestampMetadata.self, .timestamp, limits.timestampBytes),
            try version(SnapshotMetadata.self, .snapshot, limits.snapshotBytes)
        )
    }
}
