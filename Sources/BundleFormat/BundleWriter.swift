package import MartletTypes
internal import Synchronization

/// Writes a bundle: the front first, then each blob that its manifests promise, streamed from wherever it is.
///
/// The file appears under its name with `finish` and not before; a writer that is let go leaves nothing. May be called
/// from any thread, one call at a time; blocks while writing.
package final class BundleWriter: Sendable {
    /// A blob that is being streamed in.
    private struct Open: ~Copyable, Sendable {
        let digest: Digest
        let size: ByteCount
        let hasher: DigestHasher
        var written: Int64 = 0
    }

    private struct State: ~Copyable, Sendable {
        var archive: ArchiveWriter?
        var promised: [Digest: ByteCount]
        var open: Open?
    }

    private let state: Mutex<State>
    private static let document = "bundle"

    /// Starts a bundle beside `path` and writes all but its blobs.
    package init(path: String, compression: ArchiveWriter.Compression, front: BundleFront) throws(BundleError) {
        var archive = try ArchiveWriter(path: path, compression: compression)
        try archive.add(.layout, ArchivePath.layoutBytes)
        try archive.add(.index, BundleFront.indexBytes(front.releases))
        for (file, bytes) in front.metadata.sorted(by: { $0.key < $1.key }) { try archive.add(.metadata(file), bytes) }
        for (file, bytes) in front.targets.sorted(by: { $0.key < $1.key }) { try archive.add(.target(file), bytes) }
        for (device, bytes) in front.assignments.sorted(by: { $0.key < $1.key }) {
            try archive.add(.assignment(device), bytes)
        }
        for (variant, signatures) in front.signatures.sorted(by: { $0.key.text < $1.key.text }) {
            for (number, bytes) in signatures.prefix(BundleLimits.signaturesPerVariant).enumerated() {
                try archive.add(.signature(variant, number), bytes)
            }
        }
        for (index, bills) in front.bills.sorted(by: { $0.key.text < $1.key.text }) {
            for (number, bytes) in bills.prefix(BundleLimits.signaturesPerVariant).enumerated() {
                try archive.add(.bill(index, number), bytes)
            }
        }
        // A reader learns from an index which manifests follow, and from a manifest which blobs.
        let indexes = Set(front.releases.map(\.index.digest))
        let manifests = front.manifests.sorted { $0.key.text < $1.key.text }
        for (digest, bytes) in manifests where indexes.contains(digest) { try archive.add(.blob(digest), bytes) }
        for (digest, bytes) in manifests where !indexes.contains(digest) { try archive.add(.blob(digest), bytes) }
        state = Mutex(State(archive: consume archive, promised: front.blobs, open: nil))
    }

    /// Begins a blob; it must be one that a manifest of the front promises.
    package func begin(_ digest: Digest) throws(BundleError) {
        try state.withLock { (state) throws(BundleError) in
            guard let size = state.promised.removeValue(forKey: digest) else {
                throw BundleError(
                    .forbiddenEntry, Self.document, digest.text, "is promised by no manifest, or was added")
            }
            try state.archive?.start(.blob(digest), size: size)
            state.open = Open(digest: digest, size: size, hasher: DigestHasher(digest.algorithm))
        }
    }

    /// How much of the blob that was begun is there: where a broken download goes on.
    package var offset: Int64 { state.withLock { $0.open?.written ?? 0 } }

    /// The next bytes of the blob.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(BundleError) {
        try state.withLock { (state) throws(BundleError) in
            try state.archive?.append(bytes)
            state.open?.hasher.update(bytes)
            state.open?.written += Int64(bytes.count)
        }
    }

    /// Ends the blob. Throws `digestMismatch` where it was not what its digest names; the bundle is spoilt then.
    package func end() throws(BundleError) {
        try state.withLock { (state) throws(BundleError) in
            guard let open = state.open.take() else { return }
            let digest = open.digest
            let found = open.hasher.finish()
            guard found == digest else {
                throw BundleError(.digestMismatch, Self.document, digest.text, "was promised, \(found) was received")
            }
        }
    }

    /// Ends the bundle and gives it its name. Throws where a promised blob was not added.
    package func finish() throws(BundleError) {
        try state.withLock { (state) throws(BundleError) in
            if let missing = state.promised.keys.min(by: { $0.text < $1.text }) {
                throw BundleError(.missing, Self.document, missing.text, "is promised by a manifest and was not added")
            }
            try state.archive.take()?.finish()
        }
    }
}
