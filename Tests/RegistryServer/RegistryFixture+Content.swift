import BundleFormat
import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import Trust

/// A release that was pushed, not yet signed.
struct PushedRelease {
    let path: ReleasePath
    let index: Digest
    let length: Int64
    let weights: Digest

    var target: TargetFile { TargetFile(length: length, digest: index) }
}

extension RegistryFixture {
    var oci: OCIClient { OCIClient(http: admin.api.http) }

    static func shape(isAdapter: Bool = false) -> ModelShape {
        ModelShape(
            architecture: "llama", name: "Tiny", parameterCount: 1_300_000, quantization: isAdapter ? "F16" : "Q4_0",
            fileSize: ByteCount(1000), tensorBytes: ByteCount(900), contextLength: 512, embeddingLength: 256,
            blockCount: 2, headCount: 4, headCountKV: 4, isAdapter: isAdapter)
    }

    /// Pushes all of a release but its signature; the weights are any bytes, since the registry does not read them.
    func push(
        _ reference: String, weights: [UInt8], base: PushedRelease? = nil, baseWeights: [UInt8] = [],
        leavingOutWeights: Bool = false
    ) async throws -> PushedRelease {
        let path = try ReleasePath(reference)
        let repository = path.repository
        func push(_ bytes: [UInt8]) async throws -> Descriptor {
            let descriptor = Descriptor(mediaType: MediaType.weights, of: bytes)
            _ = try await oci.upload(.bytes(bytes), digest: descriptor.digest, size: descriptor.size, to: repository)
            return descriptor
        }
        let own = leavingOutWeights ? Descriptor(mediaType: MediaType.weights, of: weights) : try await push(weights)
        var layers = [WeightLayer(descriptor: own, role: base == nil ? .model : .adapter, fileName: "weights.gguf")]
        if base != nil {
            layers.insert(
                WeightLayer(descriptor: try await push(baseWeights), role: .base, fileName: "base.gguf"), at: 0)
        }
        let config = ModelConfig(
            descriptor: .init(name: "Tiny"), config: .init(architecture: "llama", format: "gguf"),
            modelfs: .init(diffIds: layers.map(\.descriptor.digest)))
        let manifest = try VariantManifest(
            config: try await push(try config.encoded()), weights: layers, shape: Self.shape(),
            adapterShape: base == nil ? nil : Self.shape(isAdapter: true))
        let manifestBytes = try manifest.encoded()
        _ = try await oci.putManifest(manifestBytes, mediaType: MediaType.manifest, in: repository)
        let index = try ReleaseIndex(
            kind: base == nil ? .model : .adapter, version: path.version,
            variants: [
                VariantEntry(
                    descriptor: Descriptor(mediaType: MediaType.manifest, of: manifestBytes), quantization: "Q4_0",
                    fileSize: ByteCount(weights.count), minMemory: ByteCount(2000),
                    engine: EngineRequirement(name: "llama.cpp"), shape: Self.shape(),
                    adapterShape: base == nil ? nil : Self.shape(isAdapter: true))
            ], base: base.map { BaseBinding(release: $0.path, indexDigest: $0.index) })
        let indexBytes = try index.encoded()
        let digest = try await oci.putManifest(
            indexBytes, mediaType: MediaType.index, in: repository, tag: path.version.text)
        return PushedRelease(
            path: path, index: digest, length: Int64(indexBytes.count), weights: own.digest)
    }

    /// The current metadata of a role, as a client would read it.
    func role(_ name: String) async throws -> TargetsMetadata {
        let versions = try await admin.status().metadataVersions
        let reply = try await call(.get, "/tuf/\(versions[name] ?? 0).\(name).json")
        return try TargetsMetadata(json: try SignedEnvelope(parsing: reply.body, limit: 1 << 20).signed)
    }

    /// The next version of the bin with an edit, signed by the publisher.
    func signed(_ edit: PublisherEdit, by key: KeyPair? = nil) async throws -> (role: String, bytes: [UInt8]) {
        let bin = try NamespaceLayout("clinic").bin(for: edit.path)
        let next = edit.applied(to: try await role(bin), now: clock.now)
        return (bin, try SignedEnvelope.sign(next.json, by: [try key ?? self.key("clinic")]).encoded())
    }

    @discardableResult
    func sign(_ release: PushedRelease) async throws -> RoleReceipt {
        let (role, bytes) = try await signed(.add(path: release.path.text, file: release.target))
        return try await admin.putRole(role, bytes: bytes)
    }

    @discardableResult
    func publish(_ reference: String, weights: String? = nil) async throws -> PushedRelease {
        let release = try await push(reference, weights: Array((weights ?? "weights of \(reference)").utf8))
        try await sign(release)
        return release
    }
}
