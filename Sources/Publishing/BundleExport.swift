internal import BundleFormat
internal import MartletAPI
package import MartletTypes
package import RegistryClient
internal import TUF
internal import Trust

/// What shall be in a bundle.
package struct BundleRequest: Sendable {
    /// The releases; of an adapter its base comes too. Empty takes what the devices are assigned.
    package var releases: [ReleasePath]
    /// Devices whose assignments shall be in it.
    package var devices: [DeviceID]
    /// A fleet, all of whose devices are meant too.
    package var fleet: FleetName?
    /// How long it shall be good; nil takes the registry's timestamp as it is, which is good for a day.
    package var valid: Duration?
    /// Where the bundle shall be.
    package var path: String
    /// Whether the tar is compressed (zstd).
    package var isCompressed: Bool

    package init(
        releases: [ReleasePath], devices: [DeviceID] = [], fleet: FleetName? = nil, valid: Duration? = nil,
        path: String, isCompressed: Bool = false
    ) {
        self.releases = releases
        self.devices = devices
        self.fleet = fleet
        self.valid = valid
        self.path = path
        self.isCompressed = isCompressed
    }
}

/// What came of it.
package struct BundleSummary: Sendable, Codable {
    package let file: String
    package let releases: [ReleasePath]
    /// Devices whose assignments are in it.
    package let devices: [DeviceID]
    /// Bytes of all blobs.
    package let size: ByteCount
    /// When the first part of it ends, after which no device installs from it.
    package let expires: Timestamp
    /// The role that ends first.
    package let endsWith: String
}

/// How far a bundle is.
package enum BundleProgress: Sendable, Equatable {
    case blob(name: String, done: Int64, total: Int64)
    /// A blob need not be sent: it is there.
    case present(name: String)
}

/// Makes bundles: everything that a site without a network needs of a release, verified as a device would.
package struct BundleExport: Sendable {
    private let operators: OperatorClient
    private let oci: OCIClient
    private let metadata: HTTPMetadataFetcher
    /// The first root, which the operator believes.
    private let root: [UInt8]
    private let clock: Clock

    package init(http: HTTPClient, root: [UInt8], clock: @escaping Clock) {
        operators = OperatorClient(http: http)
        oci = OCIClient(http: http)
        metadata = HTTPMetadataFetcher(http: http)
        self.root = root
        self.clock = clock
    }

    /// Writes the bundle; its file appears when it is whole. Throws `PublishError`, `BundleError`, `ClientError`,
    /// `TUFError`.
    package func run(
        _ request: BundleRequest, progress: @escaping @Sendable (BundleProgress) -> Void = { _ in }
    ) async throws -> BundleSummary {
        let signed = try await sign(request)
        let recorder = MetadataRecorder(base: metadata, given: Self.given(signed))
        recorder.add(MetadataPath.file(RootMetadata.type, version: 1), root)
        let tuf = try TUFClient(trustedRoot: root, fetcher: recorder, store: InMemoryMetadataStore())
        try await refresh(tuf)
        var front = BundleFront()
        var homes: [Digest: RepositoryName] = [:]
        for (device, text) in signed?.assignments ?? [:] { front.assignments[device] = Array(text.utf8) }
        var wanted = request.releases.isEmpty ? try Self.assigned(front.assignments) : request.releases
        guard !wanted.isEmpty else {
            throw PublishError(
                .badRequest, "Nothing is assigned to these devices, and no release was named.",
                remedy: "Name a release, or start a rollout first.")
        }
        while !wanted.isEmpty {
            let path = wanted.removeFirst()
            guard !front.releases.contains(where: { $0.path == path }) else { continue }
            if let base = try await add(path, tuf, &front, &homes) { wanted.append(base) }
        }
        try await addTrustDocument(tuf, &front)
        // How long the bundle is good does not depend on what comes beside what its releases need.
        let needed = recorder.files
        try await RestOfMetadata(tuf: tuf).load()
        front.metadata = recorder.files
        try await write(front, homes, request, progress)
        return try summary(front, needed, request)
    }

    // MARK: - Signatures

    private func sign(_ request: BundleRequest) async throws -> OfflineSignatures? {
        guard let valid = request.valid else { return nil }
        return try await operators.signOffline(
            OfflineRequest(
                devices: request.devices, fleet: request.fleet, validSeconds: valid.components.seconds))
    }

    private static func given(_ signed: OfflineSignatures?) -> [String: [UInt8]] {
        guard let signed else { return [:] }
        return [
            MetadataPath.file(TimestampMetadata.type): Array(signed.timestamp.utf8),
            MetadataPath.file(SnapshotMetadata.type, version: Int(signed.snapshotVersion)): Array(signed.snapshot.utf8),
        ]
    }

    private func refresh(_ tuf: TUFClient) async throws {
        do {
            try await tuf.refresh(now: clock())
        } catch let error as TUFError where error.reason == .expired {
            throw PublishError.ended(error)
        }
    }

    /// What the registry's own answer names; each is verified when it is added.
    private static func assigned(_ assignments: [DeviceID: [UInt8]]) throws -> [ReleasePath] {
        var paths: Set<ReleasePath> = []
        for bytes in assignments.values {
            let envelope = try SignedEnvelope(parsing: bytes, limit: Limits.assignmentBytes)
            let assignment = try JSONText.decode(Assignment.self, from: CanonicalJSON.encode(envelope.signed))
            for slot in assignment.slots.values { paths.formUnion(slot.releases.map(\.path)) }
        }
        return paths.sorted { $0.text < $1.text }
    }

    // MARK: - Content

    /// Adds a release's documents; returns its base where it is an adapter.
    private func add(
        _ path: ReleasePath, _ tuf: TUFClient, _ front: inout BundleFront, _ homes: inout [Digest: RepositoryName]
    ) async throws -> ReleasePath? {
        guard let target = try await tuf.target(path.text), let hex = target.hashes["sha256"] else {
            throw PublishError(
                .unknownRelease, "\(path.reference) is not published, or was withdrawn.",
                remedy: "`martlet releases list` shows what is.")
        }
        // A device asks for the repository's floor too, which stands in another part of the metadata.
        _ = try await tuf.target(ReleaseFloor.path(of: path.repository))
        let digest = try Digest("sha256:" + hex.lowercased())
        let bytes = try await oci.manifest(digest, in: path.repository)
        let index = try ReleaseIndex(parsing: bytes, digest: digest, length: ByteCount(target.length))
        front.manifests[digest] = bytes
        let bills = try await oci.bills(of: digest, in: path.repository)
        if !bills.isEmpty { front.bills[digest] = bills }
        front.releases.append(
            BundledRelease(
                path: path,
                index: Descriptor(mediaType: MediaType.index, digest: digest, size: ByteCount(bytes.count))))
        for variant in index.variants {
            let bytes = try await oci.manifest(variant.descriptor.digest, in: path.repository)
            try variant.descriptor.check(bytes, document: "manifest")
            front.manifests[variant.descriptor.digest] = bytes
            let signatures = try await oci.modelSignatures(of: variant.descriptor.digest, in: path.repository)
            if !signatures.isEmpty { front.signatures[variant.descriptor.digest] = signatures }
            let manifest = try ImageManifest(parsing: bytes)
            for blob in [manifest.config] + manifest.layers {
                front.blobs[blob.digest] = blob.size
                homes[blob.digest] = path.repository
            }
        }
        return index.base?.release
    }

    private func addTrustDocument(_ tuf: TUFClient, _ front: inout BundleFront) async throws {
        guard let file = try await tuf.target(TrustDocument.path) else {
            throw PublishError(.badRegistry, "The owner's targets do not name \(TrustDocument.path).")
        }
        let bytes = try await metadata.target(TrustDocument.path, file)
        front.targets["\(Digest.of(bytes).hex).trust.json"] = bytes
    }

    private func write(
        _ front: BundleFront, _ homes: [Digest: RepositoryName], _ request: BundleRequest,
        _ progress: @escaping @Sendable (BundleProgress) -> Void
    ) async throws {
        let writer = try await blocking {
            try BundleWriter(path: request.path, compression: request.isCompressed ? .zstd : .none, front: front)
        }
        // Small ones first, so that a reader has probes and evaluation sets before weights.
        let blobs = front.blobs.sorted { ($0.value, $0.key.text) < ($1.value, $1.key.text) }
        for (digest, size) in blobs {
            guard let home = homes[digest] else { continue }
            try writer.begin(digest)
            try await download(digest, size, from: home, to: writer, progress)
            try writer.end()
        }
        try await blocking { try writer.finish() }
    }

    /// One blob, continued where the way broke; an archive cannot be rewound, and need not be.
    private func download(
        _ digest: Digest, _ size: ByteCount, from home: RepositoryName, to writer: BundleWriter,
        _ progress: @escaping @Sendable (BundleProgress) -> Void
    ) async throws {
        var failures = 0
        while writer.offset < size.bytes {
            let start = writer.offset
            let failure = await tried { [oci] in
                try await oci.download(digest, size: size, range: start..<size.bytes, from: home) { piece in
                    try writer.append(piece)
                    progress(.blob(name: digest.shortName, done: writer.offset, total: size.bytes))
                }
            }
            guard let failure else { continue }
            failures = writer.offset > start ? 1 : failures + 1
            guard (failure as? ClientError)?.isTransient ?? false, failures < PublishLimits.downloadAttempts else {
                throw failure
            }
            try await Task.sleep(for: .milliseconds(250 << failures))
        }
    }

    /// A function of its own: catching inside a loop of an async function crashes the optimiser of Swift 6.3.1.
    private func tried(_ work: () async throws -> Int64) async -> (any Error)? {
        do {
            _ = try await work()
            return nil
        } catch {
            return error
        }
    }

    // MARK: - Summary

    private func summary(
        _ front: BundleFront, _ metadata: [String: [UInt8]], _ request: BundleRequest
    ) throws -> BundleSummary {
        var ends: [(expires: Timestamp, role: String)] = []
        func note(_ bytes: [UInt8], _ role: String) throws {
            if let expires = try SignedFile.expires(bytes) { ends.append((expires, role)) }
        }
        let roots = metadata.keys.compactMap { name -> Int? in
            let (version, role) = SignedFile.role(of: name)
            return role == RootMetadata.type ? version : nil
        }
        for (name, bytes) in metadata.sorted(by: { $0.key < $1.key }) {
            let (version, role) = SignedFile.role(of: name)
            // Only the last root must hold; the others lead to it.
            if role != RootMetadata.type || version == roots.max() { try note(bytes, role) }
        }
        for (device, bytes) in front.assignments { try note(bytes, "assignment of \(device)") }
        let first = ends.min { $0.expires < $1.expires }
        return BundleSummary(
            file: request.path, releases: front.releases.map(\.path), devices: front.assignments.keys.sorted(),
            size: front.blobs.values.reduce(.zero, +), expires: first?.expires ?? clock(),
            endsWith: first?.role ?? "")
    }
}

extension PublishLimits {
    /// Tries of one download without progress.
    static let downloadAttempts = 6
}

extension Digest {
    /// Enough of it to tell blobs apart on a screen.
    var shortName: String { String(hex.prefix(12)) }
}
