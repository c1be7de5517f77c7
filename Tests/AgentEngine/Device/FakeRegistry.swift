import BundleFormat
import Foundation
import GGUF
import MartletTypes
import Synchronization
import TUF
import TestSupport
import Trust

/// What a test publishes as a release.
struct TestRelease: Sendable {
    var path: String
    /// A file below `Tests/Fixtures/models`.
    var model: String
    var evaluation: [UInt8]?
    var threshold: EvaluationThreshold?
    var probes: [Probe]?
    var minMemory = ByteCount.zero
    var engine = EngineRequirement(name: "llama.cpp")

    init(
        _ path: String, model: String = "tiny/tiny-v1.Q8_0.gguf", evaluation: [UInt8]? = nil,
        threshold: EvaluationThreshold? = nil, probes: [Probe]? = nil
    ) {
        self.path = path
        self.model = model
        self.evaluation = evaluation
        self.threshold = threshold
        self.probes = probes
    }
}

/// A registry with its owner, publisher and director in one, over HTTP on loopback.
final class FakeRegistry: Sendable {
    private struct State {
        var targets: [String: TargetFile] = [:]
        var files: [String: [UInt8]] = [:]
        var blobs: [Digest: [UInt8]] = [:]
        /// What is kept beside manifests.
        var referrers: [Digest: [Descriptor]] = [:]
        var version = 0
        var isAway = false
        /// What polls get, while their number is below.
        var assignment: (number: Int64, bytes: [UInt8])?
        /// Whether polls are told of root and targets, and of which targets instead of those there are.
        var tellsTrust = false
        var claimsTargets: Int?
        /// Holds answers with targets back until so many polls were answered.
        var holdsTargetsUntil: Int?
        var polls = 0
        /// Cuts each answer with a blob after so many bytes.
        var cutBlobsAfter: Int?
        /// What requests for large blobs get instead of them.
        var lie: BlobLie?
    }

    let owner: KeyPair
    let online: KeyPair
    let director: KeyPair
    let root: [UInt8]
    private let state: Mutex<State>
    private let server: Mutex<TinyHTTPServer?> = Mutex(nil)
    let now: Timestamp

    init(now: Timestamp) throws {
        self.now = now
        let owner = try KeyPair.generate(.ed25519)
        let online = try KeyPair.generate(.ed25519)
        director = try KeyPair.generate(.ed25519)
        (self.owner, self.online) = (owner, online)
        let metadata = try RootMetadata.new(
            expires: now + .seconds(86_400 * 30),
            roles: [
                .root: ([owner.publicKey], 1), .targets: ([owner.publicKey], 1), .snapshot: ([online.publicKey], 1),
                .timestamp: ([online.publicKey], 1),
            ])
        root = try SignedEnvelope.sign(metadata.json, by: [owner]).encoded()
        state = Mutex(State())
        let started = try TinyHTTPServer { [weak self] request in self?.answer(request) ?? .notFound }
        server.withLock { $0 = started }
        try trust(director)
    }

    var origin: String { server.withLock { $0?.origin ?? "" } }
    /// What was asked so far.
    var seen: [TinyRequest] { server.withLock { $0?.seen ?? [] } }
    var isAway: Bool {
        get { state.withLock { $0.isAway } }
        set { state.withLock { $0.isAway = newValue } }
    }
    /// Whether polls are answered with the versions of root and targets.
    var tellsTrust: Bool {
        get { state.withLock { $0.tellsTrust } }
        set { state.withLock { $0.tellsTrust = newValue } }
    }
    /// Targets that polls are told of instead of those that there are.
    var claimsTargets: Int? {
        get { state.withLock { $0.claimsTargets } }
        set { state.withLock { $0.claimsTargets = newValue } }
    }
    /// Answers requests for targets only after so many polls: a refresh is then under way while polls come back.
    func holdTargets(untilPolls count: Int) { state.withLock { $0.holdsTargetsUntil = count } }
    /// How often a device looked for new metadata.
    var refreshes: Int { seen.count { $0.target.hasSuffix("/timestamp.json") } }
    /// Gives polls these bytes as long as they ask for something above a number below `number`.
    /// How often an assignment was asked for.
    var polls: Int { state.withLock(\.polls) }

    func offer(_ bytes: [UInt8], number: Int64) { state.withLock { $0.assignment = (number, bytes) } }

    /// How this registry answers requests for large blobs; gets the request and the blob.
    typealias BlobLie = @Sendable (TinyRequest, [UInt8]) -> TinyReply

    func lie(_ lie: BlobLie?) { state.withLock { $0.lie = lie } }

    func cutBlobs(after count: Int?) { state.withLock { $0.cutBlobsAfter = count } }

    // MARK: Content

    /// Makes a release of one variant and signs it; returns how an assignment names it.
    @discardableResult
    func publish(_ release: TestRelease) throws -> AssignedRelease {
        let weights = Array(try Data(contentsOf: URL(fileURLWithPath: Checkout.fixture("models/" + release.model))))
        let shape = try GGUFFile.shape(parts: [GGUFFile(source: ByteBuffer(weights))])
        let probes = try release.probes.map { try ProbeSet($0).encoded() }
        func layer(_ bytes: [UInt8]?, _ role: LayerRole) -> Descriptor? {
            bytes.map { Descriptor(mediaType: role.mediaType, of: keep($0)) }
        }
        let manifest = try VariantManifest(
            config: Descriptor(mediaType: MediaType.modelConfig, of: keep([0x7b, 0x7d])),
            weights: [
                WeightLayer(
                    descriptor: Descriptor(mediaType: MediaType.weights, of: keep(weights)), role: .model,
                    fileName: "model.gguf")
            ],
            evaluation: layer(release.evaluation, .evaluation), probes: layer(probes, .probes),
            threshold: release.threshold, shape: shape)
        let manifestBytes = keep(try manifest.encoded())
        let path = try ReleasePath(release.path)
        let index = try ReleaseIndex(
            kind: .model, version: path.version,
            variants: [
                VariantEntry(
                    descriptor: Descriptor(mediaType: MediaType.manifest, of: manifestBytes),
                    quantization: shape.quantization, fileSize: ByteCount(weights.count), minMemory: release.minMemory,
                    engine: release.engine, shape: shape)
            ])
        let bytes = keep(try index.encoded())
        try sign { $0[release.path] = TargetFile(length: Int64(bytes.count), digest: .of(bytes)) }
        return AssignedRelease(path: path, indexDigest: .of(bytes), length: Int64(bytes.count))
    }

    /// An engine whose archive has these bytes, and says that it unpacks to so many.
    func publishEngine(_ name: String, archive: [UInt8], unpacked: ByteCount) throws -> AssignedRelease {
        let path = try ReleasePath(name)
        _ = keep(ProgramManifest.configBytes)
        let layer = Descriptor(mediaType: MediaType.engineArchive, of: keep(archive))
        let manifest = keep(try ProgramManifest(content: .engine, layer: layer, unpacked: unpacked).encoded())
        let index = try ReleaseIndex(
            kind: .engine, version: path.version,
            variants: [
                VariantEntry(
                    descriptor: Descriptor(mediaType: MediaType.manifest, of: manifest), quantization: "none",
                    fileSize: ByteCount(archive.count), minMemory: .zero,
                    engine: EngineRequirement(name: "llama.cpp"), shape: nil)
            ])
        let bytes = keep(try index.encoded())
        try sign { $0[name] = TargetFile(length: Int64(bytes.count), digest: .of(bytes)) }
        return AssignedRelease(path: path, indexDigest: .of(bytes), length: Int64(bytes.count))
    }

    /// The manifests of a release's variants, with what `oras pull` would write.
    func variants(of release: AssignedRelease) throws -> [(manifest: Descriptor, files: [ModelFile])] {
        let blobs = state.withLock { $0.blobs }
        return try ReleaseIndex(parsing: blobs[release.indexDigest] ?? []).variants.map { entry in
            let files = try ImageManifest(parsing: blobs[entry.descriptor.digest] ?? []).pulledFiles.map {
                ModelFile(name: $0.name, digest: $0.digest, reachesEngine: $0.reachesEngine)
            }
            return (entry.descriptor, files)
        }
    }

    /// Keeps a document beside a manifest; returns the document's digest.
    @discardableResult
    func attach(_ document: [UInt8], type: String = ModelSignature.mediaType, to subject: Descriptor) throws -> Digest {
        let referrer = Referrer(type: type, document: keep(document), fileName: "model.sig", about: subject)
        var entry = Descriptor(mediaType: MediaType.manifest, of: keep(try referrer.encoded()))
        entry.artifactType = type
        let listed = entry
        state.withLock { $0.referrers[subject.digest, default: []].append(listed) }
        return .of(document)
    }

    /// Withdraws a release's signature.
    func yank(_ path: String) throws { try sign { $0[path] = nil } }

    /// Signs a release again as it was.
    func restore(_ release: AssignedRelease) throws {
        try sign { $0[release.path.text] = TargetFile(length: release.length, digest: release.indexDigest) }
    }

    /// Sets a floor.
    func floor(_ repository: String, _ version: String, number: Int64) throws {
        let name = try RepositoryName(repository)
        let floor = ReleaseFloor(version: try SemanticVersion(version), number: number, reason: "")
        let target = try floor.target(for: name)
        try sign { $0[ReleaseFloor.path(of: name)] = target }
    }

    /// How often metadata was signed.
    var version: Int { state.withLock { $0.version } }

    /// Shows the metadata of an earlier version, as who has captured a registry may.
    func replay(_ version: Int) { state.withLock { $0.files["timestamp.json"] = $0.files["\(version).timestamp"] } }

    /// Flips one bit of what is stored under a digest; again, and it is right again.
    func rot(_ digest: Digest) {
        state.withLock { state in
            guard var bytes = state.blobs[digest] else { return }
            bytes[bytes.count / 2] ^= 1
            state.blobs[digest] = bytes
        }
    }

    func remove(_ digest: Digest) -> [UInt8]? { state.withLock { $0.blobs.removeValue(forKey: digest) } }
    func restore(_ digest: Digest, _ bytes: [UInt8]) { state.withLock { $0.blobs[digest] = bytes } }

    /// The digest of a fixture, as blobs are named.
    static func digest(of model: String) throws -> Digest {
        .of(Array(try Data(contentsOf: URL(fileURLWithPath: Checkout.fixture("models/" + model)))))
    }

    private func keep(_ bytes: [UInt8]) -> [UInt8] {
        state.withLock { $0.blobs[.of(bytes)] = bytes }
        return bytes
    }

    // MARK: Trust

    /// Names another director.
    func trust(_ director: KeyPair) throws {
        let document = try TrustDocument(
            directorKeys: [director.publicKey.keyID: director.publicKey], certificateAuthorities: ["CA"],
            addresses: [origin]
        ).encoded()
        let digest = Digest.of(document)
        state.withLock { $0.files["targets/martlet/\(digest.hex).trust.json"] = document }
        try sign { $0[TrustDocument.path] = TargetFile(length: Int64(document.count), digest: digest) }
    }

    /// Changes the targets and signs all metadata anew.
    private func sign(_ change: (inout [String: TargetFile]) -> Void) throws {
        var (targets, version) = state.withLock { ($0.targets, $0.version) }
        change(&targets)
        version += 1
        let expires = now + .seconds(86_400)
        var metadata = TargetsMetadata(version: version, expires: expires)
        metadata.targets = targets
        let targetsBytes = try SignedEnvelope.sign(metadata.json, by: [owner]).encoded()
        let snapshot = SnapshotMetadata(
            version: version, expires: expires,
            roles: ["targets": MetadataFileInfo(version: version, of: targetsBytes)])
        let snapshotBytes = try SignedEnvelope.sign(snapshot.json, by: [online]).encoded()
        let timestamp = TimestampMetadata(
            version: version, expires: expires, snapshot: MetadataFileInfo(version: version, of: snapshotBytes))
        let timestampBytes = try SignedEnvelope.sign(timestamp.json, by: [online]).encoded()
        let (changed, number) = (targets, version)
        state.withLock { state in
            state.targets = changed
            state.version = number
            state.files["1.root.json"] = root
            state.files["\(number).targets.json"] = targetsBytes
            state.files["\(number).snapshot.json"] = snapshotBytes
            state.files["timestamp.json"] = timestampBytes
            state.files["\(number).timestamp"] = timestampBytes
        }
    }

    // MARK: Answers

    private static func number(_ target: String) -> Int64 {
        let query = target.split(separator: "?").last?.split(separator: "&") ?? []
        return query.first { $0.hasPrefix("number=") }.flatMap { Int64($0.dropFirst(7)) } ?? 0
    }

    private func answer(_ request: TinyRequest) -> TinyReply {
        // One thread for each connection: this holds up nobody else.
        while request.target.hasSuffix("targets.json"),
            state.withLock({ state in state.holdsTargetsUntil.map { state.polls < $0 } ?? false })
        {
            usleep(1000)
        }
        return state.withLock { state in
            if state.isAway { return TinyReply(status: 503) }
            let path = String(request.target.prefix { $0 != "?" })
            if path.hasPrefix("/tuf/") {
                return state.files[String(path.dropFirst(5))].map { TinyReply(body: $0) } ?? .notFound
            }
            if path == "/device/v1/assignment" {
                state.polls += 1
                var reply = TinyReply(status: 204)
                if let offered = state.assignment, Self.number(request.target) < offered.number {
                    reply = TinyReply(body: offered.bytes)
                }
                if state.tellsTrust { reply.fields["martlet-trust"] = "1.\(state.claimsTargets ?? state.version)" }
                return reply
            }
            guard path.hasPrefix("/v2/"), let name = path.split(separator: "/").last,
                let digest = try? Digest(String(name))
            else { return .notFound }
            if path.contains("/referrers/") {
                let index = ImageIndex(manifests: state.referrers[digest] ?? [])
                return (try? JSONText.encode(index)).map { TinyReply(body: $0) } ?? .notFound
            }
            guard let bytes = state.blobs[digest] else { return .notFound }
            if let lie = state.lie, path.contains("/blobs/"), bytes.count > 100_000 { return lie(request, bytes) }
            var reply = TinyReply.content(bytes, request)
            if path.contains("/blobs/") { reply.cutAfter = state.cutBlobsAfter.map { min($0, reply.body.count) } }
            if reply.cutAfter == reply.body.count { reply.cutAfter = nil }
            return reply
        }
    }
}
