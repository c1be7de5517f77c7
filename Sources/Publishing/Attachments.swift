internal import BundleFormat
package import MartletTypes
internal import RegistryClient
package import TUF
package import Trust

/// What is to be kept beside a release: model signatures and a bill of materials.
package struct Attachments: Sendable {
    /// P-256 keys that sign the model's files.
    package var signers: [any Signer]
    /// Bundles that another tool signed.
    package var signatures: [ModelSignature]
    /// Whether to attach a bill of materials.
    package var bill: Bool

    package init(signers: [any Signer] = [], signatures: [ModelSignature] = [], bill: Bool = false) {
        self.signers = signers
        self.signatures = signatures
        self.bill = bill
    }

    /// Whether there is nothing to attach.
    package var isEmpty: Bool { signers.isEmpty && signatures.isEmpty && !bill }
}

/// One document that stands beside a release now.
package struct Attached: Sendable, Codable, Hashable {
    /// Its artifact type.
    package let type: String
    /// The manifest that it is about: a variant's, or the release's index.
    package let subject: Digest
    /// Its own manifest.
    package let digest: Digest
    /// Whether it was there before.
    package let isNew: Bool
}

/// A release as bytes, verified from its target down or about to be published.
struct ReleaseDocuments: Sendable {
    let release: ReleasePath
    let index: [UInt8]
    /// The bytes of the variants' manifests in the order of the index.
    let manifests: [[UInt8]]
    let card: [UInt8]?
}

/// Signs a release's models in the ecosystem's format, describes it, and keeps both beside it.
package struct AttachmentUpload: Sendable {
    let context: PublisherContext

    package init(context: PublisherContext) { self.context = context }

    /// Attaches to a release that is published: its index and manifests are read and verified, no weights are.
    ///
    /// Throws `unknownRelease`, `signatureUnfit` where a given signature is not over the release's files; `TrustError`,
    /// `BundleError`, `ClientError`.
    package func run(_ wanted: Attachments, to release: ReleasePath) async throws -> [Attached] {
        try await context.refresh()
        guard let target = try await context.target(release.text), let hex = target.hashes["sha256"],
            let digest = try? Digest("sha256:" + hex.lowercased())
        else {
            throw PublishError(
                .unknownRelease, "\(release.reference) is not published.",
                remedy: "`martlet releases list` lists what is there.")
        }
        let bytes = try await context.oci.manifest(digest, in: release.repository)
        let index = try ReleaseIndex(parsing: bytes, digest: digest, length: ByteCount(target.length))
        var manifests: [[UInt8]] = []
        var card: [UInt8]?
        for entry in index.variants {
            let manifest = try await context.oci.manifest(entry.descriptor.digest, in: release.repository)
            let variant = try VariantManifest(parsing: manifest, matching: entry.descriptor)
            manifests.append(manifest)
            guard wanted.bill, card == nil, let layer = variant.card else { continue }
            card = try await context.oci.document(
                layer.digest, size: layer.size, limit: BundleLimits.documentBytes, from: release.repository)
        }
        return try await attach(
            wanted, to: ReleaseDocuments(release: release, index: bytes, manifests: manifests, card: card))
    }

    func attach(_ wanted: Attachments, to documents: ReleaseDocuments) async throws -> [Attached] {
        guard !wanted.isEmpty else { return [] }
        var attached = try await attachSignatures(wanted, to: documents)
        if wanted.bill {
            let bill = MaterialsBill(
                release: documents.release, index: try ReleaseIndex(parsing: documents.index),
                digest: .of(documents.index),
                variants: try documents.manifests.map { bytes throws(BundleError) in try VariantManifest(parsing: bytes)
                },
                card: documents.card.map(ModelCard.init(parsing:)))
            let referrer = Referrer(
                type: MaterialsBill.mediaType, document: try bill.encoded(), fileName: MaterialsBill.fileName,
                about: Descriptor(mediaType: MediaType.index, of: documents.index))
            attached.append(
                try await context.oci.put(referrer, try bill.encoded(), in: documents.release.repository))
        }
        return attached
    }

    private func attachSignatures(_ wanted: Attachments, to documents: ReleaseDocuments) async throws -> [Attached] {
        let repository = documents.release.repository
        var attached: [Attached] = []
        var unfit = wanted.signatures
        var reason = "it names none of them"
        for manifest in documents.manifests {
            let files = try ImageManifest(parsing: manifest).modelFiles
            let subject = Descriptor(mediaType: MediaType.manifest, of: manifest)
            for signature in wanted.signatures {
                if let refusal = try signature.claimRefusal(of: files) {
                    reason = refusal
                } else {
                    unfit.removeAll { $0 == signature }
                    attached.append(try await context.oci.put(signature, about: subject, in: repository))
                }
            }
            for signer in wanted.signers {
                let key = try ModelSignatureKey(signer.publicKey)
                if let known = try await known(key, files, subject.digest, repository) {
                    attached.append(known)
                } else {
                    let signature = try ModelSignature.sign(repository.text, files, by: signer)
                    attached.append(try await context.oci.put(signature, about: subject, in: repository))
                }
            }
        }
        guard unfit.isEmpty else {
            throw PublishError(
                .signatureUnfit,
                "A given model signature is over other files than \(documents.release.reference): \(reason).",
                remedy: "Sign a folder that holds one variant's files, under the names that they have when pulled.")
        }
        return attached
    }

    /// The referrer by which a key signed these files before: ECDSA signs differently each time, once is enough.
    private func known(
        _ key: ModelSignatureKey, _ files: [ModelFile], _ subject: Digest, _ repository: RepositoryName
    ) async throws -> Attached? {
        for entry in try await context.oci.signatureEntries(of: subject, in: repository) {
            guard let bytes = try await context.oci.modelSignature(entry.digest, about: subject, in: repository),
                Self.holds(bytes, key, files)
            else { continue }
            return Attached(type: ModelSignature.mediaType, subject: subject, digest: entry.digest, isNew: false)
        }
        return nil
    }

    private static func holds(_ bytes: [UInt8], _ key: ModelSignatureKey, _ files: [ModelFile]) -> Bool {
        do throws(TrustError) {
            return try ModelSignature(parsing: bytes).verified(by: [key]).refusal(of: files) == nil
        } catch {
            return false
        }
    }
}

extension Publisher {
    /// Keeps what was asked for beside a release that is here, whether it is published yet or not.
    func attach(_ request: PublishRequest, _ draft: ReleaseDraft, _ side: SideFiles) async throws {
        var card: [UInt8]?
        if case .bytes(let bytes) = side.card?.source { card = bytes }
        let documents = ReleaseDocuments(
            release: request.release, index: draft.index, manifests: draft.variants.map(\.manifest), card: card)
        _ = try await AttachmentUpload(context: context).attach(request.attachments, to: documents)
    }
}
