import BundleFormat
import MartletTypes
import RegistryStore
import TUF

/// Follows a release from its signed target to its last byte, before anyone is told that it is published.
struct ReleaseWalk {
    /// What was found: the row to keep, and every digest that the release reaches.
    struct Finding: Sendable {
        var row: ReleaseRow
        var objects: Set<Digest>
        /// Blobs with their lengths, to be looked for in the blob store.
        var blobs: [Digest: ByteCount]
    }

    let sql: any SQLConnection
    let now: Timestamp

    /// Walks target → index → manifests → blob rows; throws 422 naming the first that is missing or wrong.
    func walk(_ path: ReleasePath, _ target: TargetFile) throws -> Finding {
        guard let hex = target.hashes["sha256"], let digest = try? Digest("sha256:" + hex.lowercased()) else {
            throw ServerError.unprocessable("badTarget", "The target \(path) has no SHA-256.", field: path.text)
        }
        let manifests = ManifestStore(sql)
        guard let stored = try manifests.find(path.repository, digest) else {
            throw missing(digest, "index", path)
        }
        let index = try ReleaseIndex(parsing: stored.bytes, digest: digest, length: ByteCount(target.length))
        guard index.version == path.version else {
            throw ServerError.unprocessable(
                "versionMismatch", "The index \(digest) is of version \(index.version), not \(path.version).",
                remedy: "Publish it under its own version.", field: path.text)
        }
        try checkBase(index, path)
        var finding = Finding(
            row: ReleaseRow(
                path: path, kind: index.kind, indexDigest: digest, length: target.length, published: now,
                base: index.base?.release,
                variants: index.variants.map {
                    VariantRow(
                        digest: $0.descriptor.digest, architecture: $0.platform.description,
                        quantization: $0.quantization,
                        size: $0.fileSize, minMemory: $0.minMemory)
                }), objects: [digest], blobs: [:])
        for variant in index.variants { try walk(variant, of: index, path, &finding) }
        return finding
    }

    private func walk(
        _ variant: VariantEntry, of index: ReleaseIndex, _ path: ReleasePath, _ finding: inout Finding
    ) throws {
        let manifests = ManifestStore(sql)
        let digest = variant.descriptor.digest
        guard let stored = try manifests.find(path.repository, digest) else { throw missing(digest, "manifest", path) }
        finding.objects.insert(digest)
        try variant.descriptor.check(stored.bytes, document: "manifest")
        let document = try ImageManifest(parsing: stored.bytes)
        if index.kind == .model || index.kind == .adapter {
            // The same checks as on the device, so that what no device would take is refused where it is published.
            let manifest = try VariantManifest(parsing: stored.bytes)
            if let accuracy = manifest.threshold?.minAccuracy {
                finding.row.minAccuracy = max(finding.row.minAccuracy ?? 0, accuracy)
            }
        }
        for blob in [document.config] + document.layers {
            guard try manifests.blobSize(path.repository, blob.digest) == blob.size else {
                throw missing(blob.digest, "blob of \(blob.size.bytes) bytes", path)
            }
            finding.objects.insert(blob.digest)
            finding.blobs[blob.digest] = blob.size
        }
    }

    /// An adapter's base must be a release that is published here, with the very index that the adapter names.
    private func checkBase(_ index: ReleaseIndex, _ path: ReleasePath) throws {
        guard let base = index.base else { return }
        guard let row = try ReleaseStore(sql).find(base.release), row.state != .yanked else {
            throw ServerError.unprocessable(
                "baseMissing",
                "\(path.reference) is an adapter of \(base.release.reference), which is not published here.",
                remedy: "Publish \(base.release.reference) first.", field: path.text)
        }
        guard row.indexDigest == base.indexDigest, row.kind == .model else {
            throw ServerError.unprocessable(
                "baseMismatch",
                "\(path.reference) was made for another \(base.release.reference) than the one published here.",
                remedy: "Publish the adapter again with --adapter-of \(base.release.reference).", field: path.text)
        }
    }

    private func missing(_ digest: Digest, _ what: String, _ path: ReleasePath) -> ServerError {
        .unprocessable(
            "contentMissing", "\(path.repository) has no \(what) \(digest), which \(path.reference) needs.",
            remedy: "Push it, then sign again.", field: digest.text)
    }
}
