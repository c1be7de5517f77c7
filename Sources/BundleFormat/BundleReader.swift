package import MartletTypes

/// A blob of a bundle, about to be read.
package struct BundledBlob: Sendable, Hashable {
    package let digest: Digest
    package let size: ByteCount
}

/// Reads a bundle from front to back: first all that is small (`front`), then blob after blob (`nextBlob`).
///
/// A blob is there because a manifest before it promised its digest and length; anything else is refused, and so is
/// one that is missing at the end. What was promised must be verified by the caller before a byte of it is used, and
/// the bytes of a blob against its digest. Not thread-safe; blocks while reading.
package struct BundleReader: ~Copyable, Sendable {
    private var archive: ArchiveReader
    private var promised: [Digest: ByteCount]
    private static let document = "bundle"

    /// Opens a file.
    package init(path: String) throws(BundleError) {
        archive = try ArchiveReader(path: path, totalLimit: BundleLimits.bundleBytes)
        promised = [:]
    }

    /// Reads from an open file, pipe or socket, which belongs to the reader from now on.
    package init(descriptor: Int32) throws(BundleError) {
        archive = try ArchiveReader(descriptor: descriptor, totalLimit: BundleLimits.bundleBytes)
        promised = [:]
    }

    /// Everything before the blobs: `index.json` and metadata, then the manifests. To be called first, once.
    package mutating func front() throws -> BundleFront {
        var building = FrontBuilder()
        while let entry = try archive.next() {
            try building.admit(entry)
            try building.take(entry.path, try archive.bytes(limit: Int(entry.size.bytes)))
            if let front = building.finished {
                promised = front.blobs
                return front
            }
        }
        throw building.unfinished
    }

    /// The next blob, to be read with `read` or passed over; nil at the end. Throws where one that was promised is
    /// missing.
    package mutating func nextBlob() throws(BundleError) -> BundledBlob? {
        guard let entry = try archive.next() else {
            guard let missing = promised.keys.min(by: { $0.text < $1.text }) else { return nil }
            throw BundleError(.missing, Self.document, missing.text, "is promised by a manifest and missing")
        }
        guard case .blob(let digest) = entry.path else {
            throw BundleError(
                .forbiddenEntry, Self.document, entry.path.description,
                "comes after the first blob, where only blobs are")
        }
        guard let size = promised.removeValue(forKey: digest) else {
            throw BundleError(.forbiddenEntry, Self.document, digest.text, "is promised by no manifest")
        }
        guard size == entry.size else { throw FrontBuilder.wrongSize(entry, promised: size) }
        return BundledBlob(digest: digest, size: size)
    }

    /// Streams the bytes of the blob that `nextBlob` returned. Throws `BundleError`, or what `sink` threw.
    package mutating func read(to sink: (UnsafeRawBufferPointer) throws -> Void) throws {
        try archive.read(to: sink)
    }
}

/// Puts the front of a bundle together, entry by entry.
private struct FrontBuilder {
    private var front = BundleFront()
    private var left = BundleLimits.frontBytes
    private var isLayoutSeen = false
    /// Indexes and manifests that are promised and did not come yet.
    private var awaited: [Digest: (size: ByteCount, isIndex: Bool)] = [:]
    private static let document = "bundle"

    /// Refuses, before it is read, what does not belong before the blobs or is not as long as promised.
    mutating func admit(_ entry: ArchiveEntry) throws(BundleError) {
        if case .blob(let digest) = entry.path {
            guard isLayoutSeen, !front.releases.isEmpty else { throw unfinished }
            guard let expected = awaited[digest] else {
                throw BundleError(
                    .forbiddenEntry, Self.document, digest.text,
                    "comes before the manifest that promises it, or without")
            }
            guard expected.size == entry.size else { throw Self.wrongSize(entry, promised: expected.size) }
            guard entry.size.bytes <= Int64(Limits.manifestBytes) else {
                throw BundleError(
                    .tooLarge, Self.document, digest.text, "is a manifest of more than \(Limits.manifestBytes) bytes")
            }
        }
        left -= entry.size.bytes
        guard left >= 0 else {
            throw BundleError(
                .tooLarge, Self.document, entry.path.description,
                "makes more than \(BundleLimits.frontBytes) bytes before the first blob")
        }
    }

    mutating func take(_ path: ArchivePath, _ bytes: [UInt8]) throws(BundleError) {
        switch path {
        case .layout:
            guard (try? JSONValue(parsing: bytes))?["imageLayoutVersion"]?.string == "1.0.0" else {
                throw BundleError(.unsupported, Self.document, path.description, "is not of image layout 1.0.0")
            }
            isLayoutSeen = true
        case .index:
            front.releases = try BundleFront.releases(parsing: bytes)
            for release in front.releases { awaited[release.index.digest] = (release.index.size, true) }
        case .metadata(let file): front.metadata[file] = bytes
        case .target(let file): front.targets[file] = bytes
        case .assignment(let device): front.assignments[device] = bytes
        case .signature(let variant, _): front.signatures[variant, default: []].append(bytes)
        case .bill(let index, _): front.bills[index, default: []].append(bytes)
        case .blob(let digest): try takeManifest(digest, bytes)
        }
    }

    private mutating func takeManifest(_ digest: Digest, _ bytes: [UInt8]) throws(BundleError) {
        guard let expected = awaited.removeValue(forKey: digest) else { return }
        try Descriptor(mediaType: MediaType.manifest, digest: digest, size: expected.size)
            .check(bytes, document: Self.document)
        front.manifests[digest] = bytes
        if expected.isIndex {
            for entry in try ImageIndex(parsing: bytes).manifests where front.manifests[entry.digest] == nil {
                guard awaited[entry.digest]?.size ?? entry.size == entry.size else { throw Self.twoLengths(entry) }
                if awaited[entry.digest] == nil { awaited[entry.digest] = (entry.size, false) }
            }
        } else {
            let manifest = try ImageManifest(parsing: bytes)
            for blob in [manifest.config] + manifest.layers {
                guard front.blobs[blob.digest] ?? blob.size == blob.size else { throw Self.twoLengths(blob) }
                front.blobs[blob.digest] = blob.size
            }
        }
    }

    /// The front once all that was promised of it is there; nil before.
    var finished: BundleFront? {
        guard isLayoutSeen, !front.releases.isEmpty, awaited.isEmpty else { return nil }
        return front
    }

    /// Why an archive that ended is no bundle.
    var unfinished: BundleError {
        if let missing = awaited.keys.min(by: { $0.text < $1.text }) {
            return BundleError(.missing, Self.document, missing.text, "is promised and missing")
        }
        let name: ArchivePath = isLayoutSeen ? .index : .layout
        return BundleError(.missing, Self.document, name.description, "is missing")
    }

    private static func twoLengths(_ entry: Descriptor) -> BundleError {
        BundleError(.contradiction, document, entry.digest.text, "is promised with two lengths")
    }

    static func wrongSize(_ entry: ArchiveEntry, promised: ByteCount) -> BundleError {
        BundleError(
            .sizeMismatch, document, entry.path.description,
            "has \(entry.size.bytes) bytes where \(promised.bytes) were promised")
    }
}
