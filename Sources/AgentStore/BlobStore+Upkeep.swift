package import MartletTypes

extension BlobStore {
    /// What a collection took away.
    package struct Collected: Sendable, Hashable {
        package var blobs = 0
        package var bytes = ByteCount.zero
    }

    /// Removes blobs, unfinished ones too, that `references` does not name, and whatever else lies beside them. What
    /// cannot be listed or removed keeps nothing else; the first such error is thrown in the end.
    ///
    /// What may go is listed before the references are read, so that a blob that arrives meanwhile is never taken.
    /// Call it only while nothing is being planned or fetched.
    package func collect(
        keeping references: @Sendable () async throws -> Set<Digest>
    ) async throws -> Collected {
        var failures = FirstFailure()
        var present: [(path: String, digest: Digest?)] = []
        for algorithm in Digest.Algorithm.allCases {
            let folder = "\(layout.root)/blobs/\(algorithm.rawValue)"
            failures.note { () throws(AgentStoreError) in
                present += try files.names(in: folder).map {
                    ("\(folder)/\($0)", Self.digest("\(algorithm.rawValue):\($0)"))
                }
            }
        }
        failures.note { () throws(AgentStoreError) in
            present += try files.names(in: layout.partial).map { name in
                ("\(layout.partial)/\(name)", Self.digest(name.replacing("-", with: ":", maxReplacements: 1)))
            }
        }
        let keep = try await references()
        var collected = Collected()
        for (path, digest) in present where !(digest.map(keep.contains) ?? false) {
            let size = files.status(path)?.size ?? .zero
            failures.note { () throws(AgentStoreError) in
                try files.removeTree(path)
                collected.bytes = collected.bytes + size
                collected.blobs += 1
            }
        }
        failures.note { () throws(AgentStoreError) in try pruneQuarantine() }
        try failures.end()
        return collected
    }

    /// Hashes a blob again; false where it is damaged, and then it is put aside, or removed where it is large, so that
    /// it is fetched again.
    ///
    /// What the disk does not give back any more is damaged too. `pass` is called before each piece of eight MiB, and
    /// may hold it for as long as it likes: the file is closed meanwhile, so that its room is free where it is removed.
    /// What `pass` throws is thrown. Throws `cancelled` where the task is.
    package func scrub(_ digest: Digest, pass: @Sendable () async throws -> Void = {}) async throws -> Bool {
        let path = layout.blob(digest)
        guard files.status(path) != nil else { return false }
        let hasher = DigestHasher(digest.algorithm)
        var identity: FileIdentity?
        var piece = Piece.more
        var start = ByteCount.zero
        while piece == .more {
            try await pass()
            // What was let go of between two pieces is nobody's any more, and what was brought anew was hashed then.
            guard files.status(path) != nil else { return true }
            // That it cannot be opened, e.g. for want of descriptors, says nothing about the blob.
            let file = try files.open(path, .read)
            defer { file.close() }
            let found = try file.identity()
            guard (identity ?? found) == found else { return true }
            identity = found
            piece = try await hashPiece(of: file, from: start, into: hasher)
            start = start + ByteCount(AgentStoreLimits.scrubPiece)
        }
        if piece == .end, hasher.finish() == digest { return true }
        guard files.status(path) != nil else { return true }
        try quarantine(digest)
        return false
    }

    private enum Piece {
        case more, end, unreadable
    }

    private func hashPiece(
        of file: any StoredFile, from start: ByteCount, into hasher: borrowing DigestHasher
    ) async throws(AgentStoreError) -> Piece {
        var chunk = [UInt8](repeating: 0, count: AgentStoreLimits.chunkBytes)
        do throws(AgentStoreError) {
            try file.seek(to: start)
            var left = AgentStoreLimits.scrubPiece
            while left > 0 {
                await Task.yield()
                guard !Task.isCancelled else {
                    throw AgentStoreError(.cancelled, "A blob was not read to its end.")
                }
                let count = try file.read(into: &chunk)
                guard count > 0 else { return .end }
                chunk.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                left -= count
            }
            return .more
        } catch {
            guard error.reason == .storageFailed else { throw error }
            return .unreadable
        }
    }

    /// Puts a damaged blob aside for people to look at. A large one is removed: it would take the room of the sound one
    /// that is fetched in its place.
    func quarantine(_ digest: Digest) throws(AgentStoreError) {
        let path = layout.blob(digest)
        if let size = files.status(path)?.size, size <= AgentStoreLimits.keptAsideBytes {
            let last = try aside().last?.number ?? 0
            try files.rename(path, to: "\(layout.quarantine)/\(last + 1)-\(digest.hex)")
        } else {
            try files.remove(path)
        }
        try files.synchronizeFolder(FileSystemPath.folder(of: path))
    }

    /// Removes all but the last few of what was put aside, and what is too large to be kept.
    private func pruneQuarantine() throws(AgentStoreError) {
        let aside = try aside()
        var failures = FirstFailure()
        for (index, (_, name)) in aside.enumerated() {
            let path = "\(layout.quarantine)/\(name)"
            let isSmall = files.status(path).map { $0.size <= AgentStoreLimits.keptAsideBytes } ?? true
            guard index < aside.count - AgentStoreLimits.keptAside || !isSmall else { continue }
            failures.note { () throws(AgentStoreError) in try files.removeTree(path) }
        }
        try failures.end()
    }

    /// What was put aside, the oldest first; names of earlier agents bear no number.
    private func aside() throws(AgentStoreError) -> [(number: Int, name: String)] {
        try files.names(in: layout.quarantine).map { name in
            (name.contains("-") ? Int(name.prefix { $0 != "-" }) ?? 0 : 0, name)
        }.sorted { $0 < $1 }
    }

    private static func digest(_ text: String) -> Digest? {
        do { return try Digest(text) } catch { return nil }
    }
}
