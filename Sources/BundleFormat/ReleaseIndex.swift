package import MartletTypes

/// What an adapter is bound to: one release of a base, by the digest of its index.
package struct BaseBinding: Sendable, Hashable, Codable {
    /// The base release.
    package var release: ReleasePath
    /// Digest of that release's index: two adapters run together only where these are equal.
    package var indexDigest: Digest

    package init(release: ReleasePath, indexDigest: Digest) {
        self.release = release
        self.indexDigest = indexDigest
    }
}

/// A release as Martlet reads its OCI index: kind, version, variants and, for an adapter, its base.
///
/// The digest of a release is that of the bytes it was parsed from; `encoded()` is for who publishes.
package struct ReleaseIndex: Sendable, Hashable {
    static let document = "release index"

    /// What the release is.
    package let kind: ReleaseKind
    /// Its version, equal to the last part of its TUF path.
    package let version: SemanticVersion
    /// Its variants in the publisher's order; at least one.
    package let variants: [VariantEntry]
    /// The base of an adapter; nil for every other kind.
    package let base: BaseBinding?

    /// A release from its parts; throws where they contradict each other.
    package init(
        kind: ReleaseKind, version: SemanticVersion, variants: [VariantEntry], base: BaseBinding? = nil
    ) throws(BundleError) {
        self.kind = kind
        self.version = version
        self.variants = variants
        self.base = base
        try validate()
    }

    /// Reads and checks the bytes of an index.
    package init(parsing bytes: [UInt8]) throws(BundleError) {
        let index = try ImageIndex(parsing: bytes)
        guard index.artifactType == MediaType.release else {
            throw BundleError(.unsupported, Self.document, "artifactType", "is not \(MediaType.release)")
        }
        guard index.manifests.count <= Limits.variantsPerRelease else {
            throw BundleError(
                .tooLarge, Self.document, "manifests", "has more than \(Limits.variantsPerRelease) entries")
        }
        let fields = AnnotationReader(
            document: Self.document, field: "annotations", values: index.annotations ?? [:])
        guard let kind = ReleaseKind(rawValue: try fields.text(AnnotationKey.kind)) else {
            throw fields.refusal(.unsupported, AnnotationKey.kind, "is not a kind of release that is known")
        }
        var variants: [VariantEntry] = []
        for (position, entry) in index.manifests.enumerated() {
            variants.append(try VariantEntry(entry, kind: kind, field: "manifests[\(position)]"))
        }
        var base: BaseBinding?
        if kind == .adapter {
            base = BaseBinding(
                release: try fields.required(AnnotationKey.baseRelease),
                indexDigest: try fields.required(AnnotationKey.baseIndex))
        } else if fields.values[AnnotationKey.baseRelease] != nil || fields.values[AnnotationKey.baseIndex] != nil {
            throw fields.refusal(.contradiction, AnnotationKey.baseRelease, "stands on a release that is no adapter")
        }
        try self.init(
            kind: kind, version: try fields.required(AnnotationKey.version), variants: variants, base: base)
    }

    /// Reads the index that `digest` and `length` of a verified target promise.
    package init(parsing bytes: [UInt8], digest: Digest, length: ByteCount) throws(BundleError) {
        try Descriptor(mediaType: MediaType.index, digest: digest, size: length).check(bytes, document: Self.document)
        try self.init(parsing: bytes)
    }

    /// The bytes that are published: equal releases give equal bytes.
    package func encoded() throws(BundleError) -> [UInt8] {
        var notes = [AnnotationKey.kind: kind.rawValue, AnnotationKey.version: version.text]
        notes[AnnotationKey.baseRelease] = base?.release.text
        notes[AnnotationKey.baseIndex] = base?.indexDigest.text
        var entries: [Descriptor] = []
        for variant in variants { entries.append(try variant.annotated()) }
        return try DocumentCoder.encode(
            ImageIndex(artifactType: MediaType.release, manifests: entries, annotations: notes), Self.document)
    }

    private func validate() throws(BundleError) {
        guard (1...Limits.variantsPerRelease).contains(variants.count) else {
            throw BundleError(
                .invalid, Self.document, "manifests", "has not between 1 and \(Limits.variantsPerRelease) entries")
        }
        guard (base != nil) == (kind == .adapter) else {
            throw BundleError(.contradiction, Self.document, "base", "does not go with kind \(kind.rawValue)")
        }
        var seen: Set<Digest> = []
        for (position, variant) in variants.enumerated() {
            guard seen.insert(variant.descriptor.digest).inserted else {
                throw BundleError(.duplicate, Self.document, "manifests[\(position)].digest", "stands there twice")
            }
        }
    }
}
