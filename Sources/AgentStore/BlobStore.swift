package import MartletTypes

/// How much disk the store may take.
package struct DiskBudget: Sendable, Hashable {
    /// Bytes of blobs at most; nil is bounded by the disk alone.
    package var limit: ByteCount?
    /// Room on the disk that is always left to others; nil where the owner does not say, and the device's profile does.
    package var reserve: ByteCount?

    /// What is left to others where nobody says.
    package static let commonReserve = ByteCount.mebibytes(256)

    package init(limit: ByteCount? = nil, reserve: ByteCount? = nil) {
        self.limit = limit
        self.reserve = reserve
    }
}

/// The content-addressed files: read-only, named by what they hold, shared by generations through links.
///
/// What blocks for long (hashing, writing) runs on the store's own thread.
package actor BlobStore {
    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private let budget: DiskBudget
    /// Room on the disk that is left to others.
    private var reserve: ByteCount
    let files: any FileSystem
    let layout: StoreLayout
    private let thread: StorageThread
    private var writers: [Digest: Writer] = [:]
    /// What is read through before it is written on.
    private var opening: Set<Digest> = []

    private struct Writer {
        weak var blob: PartialBlob?
    }

    package init(
        layout: StoreLayout, files: any FileSystem, budget: DiskBudget = DiskBudget(), thread: StorageThread = .blobs
    ) {
        self.layout = layout
        self.files = files
        self.budget = budget
        reserve = budget.reserve ?? DiskBudget.commonReserve
        self.thread = thread
    }

    /// Where a blob is or would be.
    package nonisolated func path(of digest: Digest) -> String { layout.blob(digest) }

    /// Whether a finished blob of this length is there; nil accepts any length. Its bytes were hashed when it came in.
    package nonisolated func has(_ digest: Digest, size: ByteCount? = nil) -> Bool {
        guard let status = files.status(layout.blob(digest)), status.kind == .file else { return false }
        return size.map { $0 == status.size } ?? true
    }

    /// A small blob's bytes, hashed again; nil where it is absent or damaged, so that it is fetched again.
    package func document(_ digest: Digest, limit: Int) throws(AgentStoreError) -> [UInt8]? {
        guard let bytes = try files.contents(of: layout.blob(digest), limit: limit) else { return nil }
        guard Digest.of(bytes, digest.algorithm) == digest else {
            try quarantine(digest)
            return nil
        }
        return bytes
    }

    /// Keeps a small blob. Throws `digestMismatch` where the bytes are not the digest's.
    package func put(_ bytes: [UInt8], as digest: Digest) throws(AgentStoreError) {
        let found = Digest.of(bytes, digest.algorithm)
        guard found == digest else { throw Self.mismatch(digest, found) }
        guard !has(digest, size: ByteCount(bytes.count)) else { return }
        let temporary = layout.partial(digest) + ".document"
        try files.writeAtomically(bytes, to: temporary, mode: 0o444)
        try moveIn(temporary, digest)
    }

    /// How much of an unfinished blob is there.
    package nonisolated func partialSize(_ digest: Digest) -> ByteCount {
        files.status(layout.partial(digest))?.size ?? .zero
    }

    /// Opens a blob to be written, continuing what an earlier run left: those bytes are hashed again first.
    ///
    /// Reads once through what is there: about a second per 1.5 GB. Throws `busy` while somebody else writes it: two
    /// would mix their bytes.
    package func open(_ digest: Digest, size: ByteCount) async throws(AgentStoreError) -> PartialBlob {
        writers = writers.filter { $0.value.blob?.isOpen ?? false }
        guard writers[digest] == nil, opening.insert(digest).inserted else {
            throw AgentStoreError(.busy, "\(digest) is being written for somebody else.")
        }
        defer { opening.remove(digest) }
        let path = layout.partial(digest)
        if let status = files.status(path), status.kind != .file || status.size > size { try files.removeTree(path) }
        let hasher = DigestHasher(digest.algorithm)
        var written: Int64 = 0
        if let status = files.status(path) {
            // A run that ended just before the move into the store left it read-only.
            if status.mode != 0o600 { try files.setMode(path, 0o600) }
            written = try await hash(path, into: hasher)
        }
        let file = try files.open(path, .append(0o600))
        let blob = PartialBlob(digest: digest, size: size, file: file, hasher: hasher, written: written)
        writers[digest] = Writer(blob: blob)
        return blob
    }

    /// Gives up an unfinished blob, and keeps nothing of it.
    package func giveUp(_ blob: PartialBlob) {
        blob.close()
        files.discard(layout.partial(blob.digest))
    }

    /// Moves a completely written blob into the store: checked, synchronised, read-only.
    ///
    /// Throws `lengthMismatch` where bytes are missing (they can be fetched on), `digestMismatch` where they are wrong
    /// (then nothing is kept of them).
    package func commit(_ blob: PartialBlob) throws(AgentStoreError) {
        guard blob.isOpen else { throw PartialBlob.isOver(blob.digest) }
        guard blob.offset == blob.size else {
            blob.close()
            throw AgentStoreError(
                .lengthMismatch,
                "\(blob.digest) ended after \(blob.offset.bytes) of \(blob.size.bytes) promised bytes.")
        }
        let path = layout.partial(blob.digest)
        let found: Digest
        do {
            found = try blob.finish().digest
        } catch {
            // What the disk did not take may still be read back from memory, as if it were there.
            files.discard(path)
            throw error
        }
        guard found == blob.digest else {
            try files.remove(path)
            throw Self.mismatch(blob.digest, found)
        }
        try files.setMode(path, 0o444)
        try moveIn(path, blob.digest)
    }

    /// Leaves as much to others as the device's profile says, unless the owner said otherwise.
    package func leave(_ reserve: ByteCount) { self.reserve = budget.reserve ?? reserve }

    /// Throws `diskFull` with the figures where `missing` more bytes would break the budget or eat the reserve.
    package func makeSure(roomFor missing: ByteCount) throws(AgentStoreError) {
        if let limit = budget.limit {
            let used = try usage()
            guard used + missing <= limit else {
                throw AgentStoreError(
                    .diskFull, "\(missing) more would take the store from \(used) beyond its budget of \(limit).")
            }
        }
        let free = try files.freeSpace(layout.root)
        guard missing + reserve <= free else {
            throw AgentStoreError(
                .diskFull, "\(missing) are needed and \(reserve) must stay free, but the disk has \(free).")
        }
    }

    /// How much more may be brought now, by the budget and by the disk.
    package func room() throws(AgentStoreError) -> ByteCount {
        let free = max(.zero, try files.freeSpace(layout.root) - reserve)
        guard let limit = budget.limit else { return free }
        return min(free, max(.zero, limit - (try usage())))
    }

    /// Bytes of finished and unfinished blobs, and of what is unpacked from them.
    package func usage() throws(AgentStoreError) -> ByteCount {
        let folders = Digest.Algorithm.allCases.map { "\(layout.root)/blobs/\($0.rawValue)" }
        var total = ByteCount.zero
        for folder in folders + [layout.partial, layout.engines] { total = try total + bytes(below: folder) }
        return total
    }

    /// Bytes of all files below a folder, as deep as archives are unpacked; what is not there takes none.
    private func bytes(below folder: String, depth: Int = 0) throws(AgentStoreError) -> ByteCount {
        guard depth <= AgentStoreLimits.treeDepth, files.status(folder)?.kind == .folder else { return .zero }
        let names: [String]
        do throws(AgentStoreError) {
            names = try files.names(in: folder)
        } catch {
            // It may have got its name, or been removed, since it was listed.
            guard files.status(folder) != nil else { return .zero }
            throw error
        }
        var total = ByteCount.zero
        for name in names {
            guard let status = files.status(folder + "/" + name) else { continue }
            total =
                try total
                + (status.kind == .folder ? bytes(below: folder + "/" + name, depth: depth + 1) : status.size)
        }
        return total
    }

    private func moveIn(_ path: String, _ digest: Digest) throws(AgentStoreError) {
        let target = layout.blob(digest)
        try files.rename(path, to: target)
        try files.synchronizeFolder(FileSystemPath.folder(of: target))
    }

    /// Hashes a file in pieces, between which others have their turn: a model takes minutes to be read from a card.
    /// Throws `cancelled` where the task is.
    func hash(_ path: String, into hasher: borrowing DigestHasher) async throws(AgentStoreError) -> Int64 {
        let file = try files.open(path, .read)
        defer { file.close() }
        var chunk = [UInt8](repeating: 0, count: AgentStoreLimits.chunkBytes)
        var total: Int64 = 0
        while true {
            await Task.yield()
            guard !Task.isCancelled else { throw AgentStoreError(.cancelled, "\(path) was not read to its end.") }
            let count = try file.read(into: &chunk)
            guard count > 0 else { return total }
            chunk.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            total += Int64(count)
        }
    }

    static func mismatch(_ promised: Digest, _ found: Digest) -> AgentStoreError {
        AgentStoreError(.digestMismatch, "The registry sent \(found) where \(promised) was promised.")
    }
}
