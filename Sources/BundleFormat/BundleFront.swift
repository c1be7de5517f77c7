package import MartletTypes

/// A release as a bundle names it, before anybody vouched for it.
package struct BundledRelease: Sendable, Hashable {
    /// The release.
    package let path: ReleasePath
    /// Its OCI index, by media type, digest and length.
    package let index: Descriptor

    package init(path: ReleasePath, index: Descriptor) {
        self.path = path
        self.index = index
    }
}

/// All of a bundle but its blobs: small, and first in the file. Nothing of it is verified.
package struct BundleFront: Sendable {
    /// What `index.json` names, in its order.
    package var releases: [BundledRelease] = []
    /// TUF metadata by the name under which it is fetched, e.g. `3.clinic.json`.
    package var metadata: [String: [UInt8]] = [:]
    /// Targets that are no releases by their names, e.g. `HASH.trust.json` of `martlet/`.
    package var targets: [String: [UInt8]] = [:]
    /// Signed assignments by device.
    package var assignments: [DeviceID: [UInt8]] = [:]
    /// Model signatures by the digest of the variant's manifest, see `docs/formats/release.md`.
    package var signatures: [Digest: [[UInt8]]] = [:]
    /// Bills of materials by the digest of the release's index. Nobody signs them.
    package var bills: [Digest: [[UInt8]]] = [:]
    /// Indexes and manifests by digest, each as long as promised and what its digest names.
    package var manifests: [Digest: [UInt8]] = [:]
    /// Every blob that the manifests promise, with its length; all of them follow.
    package var blobs: [Digest: ByteCount] = [:]

    package init() {}

    /// The release index of one of `releases`. Throws `BundleError`.
    package func index(of release: BundledRelease) throws(BundleError) -> ReleaseIndex {
        guard let bytes = manifests[release.index.digest] else {
            throw BundleError(.missing, "bundle", release.index.digest.text, "is missing")
        }
        return try ReleaseIndex(parsing: bytes)
    }

    /// `index.json` of a bundle: one entry for each release, named as skopeo and oras name it. Throws `BundleError`.
    package static func indexBytes(_ releases: [BundledRelease]) throws(BundleError) -> [UInt8] {
        let entries = releases.map { release in
            Descriptor(
                mediaType: MediaType.index, digest: release.index.digest, size: release.index.size,
                artifactType: MediaType.release,
                annotations: [AnnotationKey.referenceName: release.path.reference])
        }
        return try DocumentCoder.encode(ImageIndex(manifests: entries), "bundle index")
    }

    /// The releases that the bytes of an `index.json` name. Throws `BundleError`.
    static func releases(parsing bytes: [UInt8]) throws(BundleError) -> [BundledRelease] {
        let index = try ImageIndex(parsing: bytes)
        let document = "bundle index"
        guard (1...BundleLimits.releasesPerBundle).contains(index.manifests.count) else {
            throw BundleError(
                .invalid, document, "manifests", "has not between 1 and \(BundleLimits.releasesPerBundle) entries")
        }
        var releases: [BundledRelease] = []
        var seen: Set<ReleasePath> = []
        for (position, entry) in index.manifests.enumerated() {
            let field = "manifests[\(position)]"
            guard entry.mediaType == MediaType.index else {
                throw BundleError(.unsupported, document, field + ".mediaType", "is not \(MediaType.index)")
            }
            guard let name = entry.annotations?[AnnotationKey.referenceName],
                let reference = try? ReleaseReference(name), case .version(let path) = reference
            else {
                throw BundleError(
                    .invalid, document, "\(field).annotations.\(AnnotationKey.referenceName)",
                    "is not NAMESPACE/NAME:VERSION")
            }
            guard seen.insert(path).inserted else {
                throw BundleError(.duplicate, document, field, "is a second \(path.reference)")
            }
            releases.append(
                BundledRelease(
                    path: path, index: Descriptor(mediaType: entry.mediaType, digest: entry.digest, size: entry.size)))
        }
        return releases
    }
}

extension AnnotationKey {
    /// The name of an entry of `index.json`. Source: OCI image spec 1.1, annotations.md.
    package static let referenceName = "org.opencontainers.image.ref.name"
}

extension BundleLimits {
    /// Releases in one bundle: a site gets its models, not a registry's history.
    package static let releasesPerBundle = 256
    /// Model signatures of one variant, and bills of materials of one release.
    package static let signaturesPerVariant = 16
    /// A bill of materials: a model card in it may take twice its length as JSON, and there may be others' entries.
    package static let billBytes = 4 * documentBytes
    /// Bytes of everything before the blobs, which is held in memory: metadata, assignments of a fleet, manifests.
    package static let frontBytes: Int64 = 64 * 1024 * 1024
    /// Bytes of a bundle when unpacked: a bound on decompression bombs before manifests promise lengths.
    package static let bundleBytes = ByteCount(8 * Limits.blobBytes)
}
