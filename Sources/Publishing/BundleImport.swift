internal import BundleFormat
internal import Glibc
internal import MartletAPI
package import MartletTypes
package import RegistryClient
internal import Synchronization
internal import TUF
internal import Trust

/// What an import did.
package struct ImportSummary: Sendable, Codable {
    /// Releases of the bundle that are published from now on.
    package let published: [ReleasePath]
    /// Releases of the bundle that were published before.
    package let unchanged: [ReleasePath]
    /// Releases that their publisher withdrew, as this registry learnt now.
    package let withdrawn: [ReleasePath]
    /// Bytes that were sent.
    package let bytesSent: Int64
}

/// Brings a bundle into a registry of the same owner: verified as a device would, then pushed, then published by the
/// signatures that it brings. A run that was cut off goes on; the same again changes nothing.
package struct BundleImport: Sendable {
    private let operators: OperatorClient
    private let oci: OCIClient
    private let journal: UploadJournal?
    /// The digest of the first root, which the operator believes.
    private let root: Digest
    /// Where blobs are unpacked, one at a time.
    private let folder: String
    private let clock: Clock

    package init(http: HTTPClient, journal: UploadJournal?, root: Digest, folder: String, clock: @escaping Clock) {
        operators = OperatorClient(http: http)
        oci = OCIClient(http: http)
        self.journal = journal
        self.root = root
        self.folder = folder
        self.clock = clock
    }

    /// Throws `PublishError`, `BundleError`, `ClientError`, `TUFError`.
    package func run(
        _ path: String, progress: @escaping @Sendable (BundleProgress) -> Void = { _ in }
    ) async throws -> ImportSummary {
        let file = try await blocking { try BundleFile(path: path) }
        let front = try await blocking { try file.front() }
        let trustDocument = try await verify(front)
        let sent = try await push(file, front, progress)
        let receipt = try await operators.importMetadata(
            MetadataImport(
                roots: try Self.roots(front), roles: Self.roles(front, now: clock()),
                trustDocument: String(decoding: trustDocument, as: UTF8.self), snapshot: Self.snapshot(front),
                timestamp: Self.text(front.metadata[MetadataPath.file(TimestampMetadata.type)])))
        for release in front.releases { try await show(release) }
        let paths = front.releases.map(\.path)
        return ImportSummary(
            published: paths.filter(receipt.published.contains),
            unchanged: paths.filter { !receipt.published.contains($0) }, withdrawn: receipt.withdrawn, bytesSent: sent)
    }

    // MARK: - Verification

    /// Everything that the bundle names must be signed up to the root that this operator believes; returns the trust
    /// document.
    private func verify(_ front: BundleFront) async throws -> [UInt8] {
        guard let first = front.metadata[MetadataPath.file(RootMetadata.type, version: 1)] else {
            throw PublishError(
                .bundleRefused, "The bundle has no first root.", remedy: "Make it again with `martlet export`.")
        }
        guard Digest.of(first) == root else {
            throw PublishError(
                .rootMismatch, "The bundle's first root has digest \(Digest.of(first)), this operator trusts another.",
                remedy: "It is another owner's bundle; `martlet trust pin DIGEST` would trust that owner.")
        }
        let tuf = try TUFClient(
            trustedRoot: first, fetcher: MetadataFiles(front.metadata), store: InMemoryMetadataStore())
        try await refresh(tuf)
        for release in front.releases {
            let target = try await tuf.target(release.path.text)
            guard let target, target.names(release.index.digest, length: release.index.size.bytes) else {
                throw PublishError(
                    .bundleRefused,
                    "The bundle's \(release.path.reference) is not what its publisher signed"
                        + (target == nil ? ": there is no signature for it." : "."),
                    remedy: "Make the bundle again with `martlet export`, and find out who changed this one.")
            }
        }
        guard let file = try await tuf.target(TrustDocument.path), let hash = file.hashes["sha256"],
            let bytes = front.targets["\(hash.lowercased()).trust.json"]
        else {
            throw PublishError(
                .bundleRefused, "The bundle has no \(TrustDocument.path).",
                remedy: "Make it again with `martlet export`.")
        }
        try file.check(bytes, path: TrustDocument.path)
        return bytes
    }

    private func refresh(_ tuf: TUFClient) async throws {
        do {
            try await tuf.refresh(now: clock())
        } catch let error as TUFError where error.reason == .expired {
            throw PublishError(
                .bundleExpired, "The bundle has ended: \(error.message)",
                remedy: "Make a new one with `martlet export --valid`.")
        }
    }

    private static func roots(_ front: BundleFront) throws -> [String] {
        var roots: [String] = []
        while let bytes = front.metadata[MetadataPath.file(RootMetadata.type, version: roots.count + 1)] {
            roots.append(String(decoding: bytes, as: UTF8.self))
        }
        return roots
    }

    /// The newest snapshot of the bundle, by whose version the other registry is told how far this one was.
    private static func snapshot(_ front: BundleFront) -> String? {
        let versions = front.metadata.keys.compactMap { name -> Int? in
            let (version, role) = SignedFile.role(of: name)
            return role == SnapshotMetadata.type ? version : nil
        }
        return text(front.metadata[MetadataPath.file(SnapshotMetadata.type, version: versions.max())])
    }

    private static func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    /// What owner and publishers signed; snapshot and timestamp are each registry's own. What its releases need was
    /// verified to be current; of the rest, what has ended is left out, a namespace with its bins.
    private static func roles(_ front: BundleFront, now: Timestamp) throws -> [String: String] {
        var roles: [String: String] = [:]
        var ended: Set<String> = []
        for (name, bytes) in front.metadata {
            let (version, role) = SignedFile.role(of: name)
            let standard = TopLevelRole(rawValue: role)
            guard version != nil, standard == nil || standard == .targets else { continue }
            if let expires = try SignedFile.expires(bytes), expires <= now { ended.insert(role) }
            roles[role] = String(decoding: bytes, as: UTF8.self)
        }
        return roles.filter { name, _ in
            let namespace = name.firstRange(of: "-bin-").map { String(name[..<$0.lowerBound]) }
            return !ended.contains(name) && !(namespace.map(ended.contains) ?? false)
        }
    }

    // MARK: - Content

    /// Pushes what the registry lacks, blobs first; returns the bytes sent.
    private func push(
        _ file: BundleFile, _ front: BundleFront, _ progress: @escaping @Sendable (BundleProgress) -> Void
    ) async throws -> Int64 {
        var homes: [Digest: [RepositoryName]] = [:]
        for release in front.releases {
            for digest in try Self.blobs(of: release, front)
            where homes[digest]?.contains(release.path.repository) != true {
                homes[digest, default: []].append(release.path.repository)
            }
        }
        var sent: Int64 = 0
        while let blob = try await blocking({ try file.nextBlob() }) {
            sent += try await push(blob, from: file, to: homes[blob.digest] ?? [], progress)
        }
        for release in front.releases {
            let repository = release.path.repository
            for variant in try front.index(of: release).variants {
                guard let bytes = front.manifests[variant.descriptor.digest] else { continue }
                _ = try await oci.putManifest(bytes, mediaType: MediaType.manifest, in: repository)
            }
            if let bytes = front.manifests[release.index.digest] {
                _ = try await oci.putManifest(
                    bytes, mediaType: MediaType.index, in: repository, tag: release.path.version.text)
            }
            try await BundleAttachments(oci: oci).push(release, of: front)
        }
        return sent
    }

    private static func blobs(of release: BundledRelease, _ front: BundleFront) throws -> [Digest] {
        try front.index(of: release).variants.flatMap { variant -> [Digest] in
            guard let bytes = front.manifests[variant.descriptor.digest] else { return [] }
            let manifest = try ImageManifest(parsing: bytes)
            return ([manifest.config] + manifest.layers).map(\.digest)
        }
    }

    private func push(
        _ blob: BundledBlob, from file: BundleFile, to repositories: [RepositoryName],
        _ progress: @escaping @Sendable (BundleProgress) -> Void
    ) async throws -> Int64 {
        var lacking: [RepositoryName] = []
        for repository in repositories where try await oci.blobSize(blob.digest, in: repository) != blob.size {
            lacking.append(repository)
        }
        let name = blob.digest.shortName
        guard !lacking.isEmpty else {
            progress(.present(name: name))
            return 0
        }
        let path = "\(folder)/\(blob.digest.hex)"
        defer { unlink(path) }
        try await blocking { try Self.unpack(blob, from: file, to: path) }
        var sent: Int64 = 0
        for repository in lacking {
            let outcome = try await oci.upload(
                .file(path: path), digest: blob.digest, size: blob.size, to: repository,
                mountingFrom: repositories.first { $0 != repository }, journal: journal
            ) { done in progress(.blob(name: name, done: done, total: blob.size.bytes)) }
            if case .uploaded(let resumedAt) = outcome { sent += blob.size.bytes - resumedAt }
        }
        return sent
    }

    /// Unpacks one blob and makes sure that it is what its digest names, before a byte of it is sent.
    private static func unpack(_ blob: BundledBlob, from file: BundleFile, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw unwritable(path) }
        defer { close(descriptor) }
        let digest = Mutex(RunningDigest(blob.digest.algorithm))
        try file.read { piece in
            digest.withLock { $0.hasher.update(piece) }
            var rest = piece[...]
            while !rest.isEmpty {
                let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw unwritable(path) }
                rest = rest.dropFirst(count)
            }
        }
        let found = digest.withLock { $0.finish() }
        guard found == blob.digest else {
            throw PublishError(
                .bundleRefused, "The bundle's blob \(blob.digest) holds other bytes (\(String(describing: found))).",
                remedy: "Copy the bundle again, or make it again with `martlet export`.")
        }
    }

    /// A hasher that is ended once.
    private struct RunningDigest: ~Copyable, Sendable {
        var hasher: DigestHasher
        private let algorithm: Digest.Algorithm

        init(_ algorithm: Digest.Algorithm) {
            self.algorithm = algorithm
            hasher = DigestHasher(algorithm)
        }

        mutating func finish() -> Digest {
            var ended = DigestHasher(algorithm)
            swap(&ended, &hasher)
            return ended.finish()
        }
    }

    private static func unwritable(_ path: String) -> PublishError {
        PublishError(
            .fileUnreadable, "\(path) cannot be written: \(String(cString: strerror(errno))).",
            remedy: "Make room there, or set $XDG_CACHE_HOME to a larger disk.")
    }

    // MARK: - The end

    /// The registry must show the release as published: it may know of a yank that the bundle does not, or lack a base.
    private func show(_ release: BundledRelease) async throws {
        let info = try await operators.release(release.path)
        guard info.state != .yanked, info.indexDigest == release.index.digest else {
            throw PublishError(
                .bundleRefused, "\(release.path.reference) was withdrawn by its publisher, as this registry knows.",
                remedy: "Bring a newer release.")
        }
    }
}
