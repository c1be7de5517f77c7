internal import BundleFormat
internal import MartletTypes
internal import RegistryClient
internal import Trust

extension OCIClient {
    /// Keeps a model signature beside a variant.
    func put(
        _ signature: ModelSignature, about subject: Descriptor, in repository: RepositoryName
    ) async throws -> Attached {
        let referrer = Referrer(
            type: ModelSignature.mediaType, document: signature.bytes, fileName: "model.sig", about: subject)
        // As cosign notes them, so that its users find them.
        let notes = [
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": ModelSignature.predicateType,
        ]
        return try await put(referrer, signature.bytes, notes: notes, in: repository)
    }

    /// Keeps a document beside a manifest; the same again changes nothing.
    func put(
        _ referrer: Referrer, _ document: [UInt8], notes: [String: String] = [:], in repository: RepositoryName
    ) async throws -> Attached {
        let bytes = try referrer.encoded(notes: notes)
        let isNew = try await manifestDigest(Digest.of(bytes).text, in: repository) == nil
        if isNew {
            for blob in [Referrer.emptyConfig, document] {
                _ = try await upload(.bytes(blob), digest: .of(blob), size: ByteCount(blob.count), to: repository)
            }
        }
        let digest = try await putManifest(bytes, mediaType: MediaType.manifest, in: repository)
        return Attached(type: referrer.type, subject: referrer.subject.digest, digest: digest, isNew: isNew)
    }

    /// The bundles of model signatures that a registry keeps beside a variant, unverified, the newest last.
    func modelSignatures(of subject: Digest, in repository: RepositoryName) async throws -> [[UInt8]] {
        var bundles: [[UInt8]] = []
        for entry in try await signatureEntries(of: subject, in: repository) {
            if let bytes = try await modelSignature(entry.digest, about: subject, in: repository) {
                bundles.append(bytes)
            }
        }
        return bundles
    }

    func signatureEntries(of subject: Digest, in repository: RepositoryName) async throws -> [Descriptor] {
        let type = ModelSignature.mediaType
        let listed = try ImageIndex(parsing: await referrers(of: subject, type: type, in: repository))
        return listed.manifests.filter { $0.artifactType == type }.suffix(PublishLimits.knownSignatures)
    }

    /// The bundle that a referrer holds; nil where it is not what a referrer must be.
    func modelSignature(
        _ digest: Digest, about subject: Digest, in repository: RepositoryName
    ) async throws -> [UInt8]? {
        let manifest = try await self.manifest(digest, in: repository)
        guard let layer = try? Referrer(parsing: manifest, type: ModelSignature.mediaType, about: subject).document,
            layer.size.bytes <= TrustLimits.modelSignatureBytes
        else { return nil }
        return try await document(
            layer.digest, size: layer.size, limit: TrustLimits.modelSignatureBytes, from: repository)
    }

    /// The bills of materials that a registry keeps beside a release, the newest last; those that a bundle cannot take
    /// are left out.
    func bills(of index: Digest, in repository: RepositoryName) async throws -> [[UInt8]] {
        let type = MaterialsBill.mediaType
        let listed = try ImageIndex(parsing: await referrers(of: index, type: type, in: repository))
        var bills: [[UInt8]] = []
        for entry in listed.manifests.filter({ $0.artifactType == type }).suffix(BundleLimits.signaturesPerVariant) {
            let manifest = try await self.manifest(entry.digest, in: repository)
            guard let layer = try? Referrer(parsing: manifest, type: type, about: index).document,
                layer.size.bytes <= BundleLimits.billBytes
            else { continue }
            bills.append(
                try await document(layer.digest, size: layer.size, limit: BundleLimits.billBytes, from: repository))
        }
        return bills
    }
}
