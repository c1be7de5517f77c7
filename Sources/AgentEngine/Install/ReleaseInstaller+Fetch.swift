internal import AgentStore
internal import BundleFormat
package import MartletTypes
internal import RegistryClient
internal import Trust

extension ReleaseInstaller {
    package func fetch(_ plan: InstallPlan) async throws -> ByteCount {
        var fetched: Int64 = 0
        // What is needed in all, and what others brought since the plan was made, counts before the first byte.
        try await makeRoom(for: plan)
        for item in plan.items where !store.blobs.has(item.digest, size: item.size) {
            fetched += try await fetch(item, maxSpeed: plan.target.assignment.update.conditions?.bytesPerSecond)
        }
        return ByteCount(fetched)
    }

    /// One blob, continued from what is there, tried again where the way failed. `maxSpeed` is bytes per second,
    /// within the device's own limit.
    ///
    /// What an earlier run of the agent left is hashed again and continued. A power cut may have left of it what was
    /// never written; then the whole is wrong, is the disk's fault, and begins anew once.
    func fetch(_ item: InstallPlan.Item, maxSpeed: Int64? = nil) async throws -> Int64 {
        var failures = 0
        var fetched: Int64 = 0
        var isContinued = store.blobs.partialSize(item.digest) > .zero
        for request in 1... {
            guard let partial = try await opened(item) else { return fetched }
            let start = partial.offset.bytes
            do {
                try await download(item, to: partial, maxSpeed: maxSpeed)
                fetched += partial.offset.bytes - start
                try await store.blobs.commit(partial)
                return fetched
            } catch {
                partial.close()
                try Task.checkCancellation()
                fetched += max(0, partial.offset.bytes - start)
                if isContinued, (error as? AgentStoreError)?.reason == .digestMismatch {
                    isContinued = false
                    continue
                }
                // Each try that brought something starts the count anew: a bad link gets there in the end.
                let isProgress = partial.offset.bytes - start >= min(AgentLimits.blobProgress, item.size.bytes / 16 + 1)
                failures = isProgress ? 1 : failures + 1
                guard TrustKeeper.isTransport(error), !SlotFailure.isRefusal(error),
                    failures < AgentLimits.blobAttempts, request < AgentLimits.blobRequests
                else { throw Self.failure(error, item) }
                try await pause(failures)
            }
        }
        return fetched
    }

    /// Throws where the disk or its budget has no room for what the plan brings, and what it unpacks of that.
    func makeRoom(for plan: InstallPlan) async throws {
        var unpacked = ByteCount.zero
        if let build = plan.engine?.build, let trees { unpacked = try await trees.room(for: build) }
        try await makeRoom(for: plan.items, unpacked: unpacked)
    }

    /// Throws where the disk or its budget has no room for what is missing, bytes of unfinished blobs taken off.
    func makeRoom(for items: [InstallPlan.Item], unpacked: ByteCount = .zero) async throws {
        let missing = items.reduce(ByteCount.zero) { sum, item in
            guard !store.blobs.has(item.digest, size: item.size) else { return sum }
            return sum + max(.zero, item.size - store.blobs.partialSize(item.digest))
        }
        guard missing + unpacked > .zero else { return }
        do {
            try await store.blobs.makeSure(roomFor: missing + unpacked)
        } catch {
            throw SlotFailure.from(error, otherwise: .retry)
        }
    }

    /// Brings the rest of a blob piece by piece, each when the device has nothing better to do.
    private func download(_ item: InstallPlan.Item, to partial: PartialBlob, maxSpeed: Int64?) async throws {
        while partial.offset < item.size {
            let speed = try await gate.passDownload(limit: maxSpeed)
            let start = partial.offset.bytes
            let end = min(start + gate.piece(at: speed.least), item.size.bytes)
            let content = try await link.content()
            try await content.download(
                item.digest, size: item.size, range: start..<end, from: item.repository, speed: speed
            ) { try partial.append($0) }
        }
    }

    /// The blob to be written; nil where another slot, e.g. one with the same base, brought it meanwhile.
    func opened(_ item: InstallPlan.Item) async throws -> PartialBlob? {
        while true {
            do {
                let partial = try await store.blobs.open(item.digest, size: item.size)
                guard store.blobs.has(item.digest, size: item.size) else { return partial }
                // It was finished while this one waited for its turn.
                await store.blobs.giveUp(partial)
                return nil
            } catch {
                guard error.reason == .busy else { throw Self.failure(error, item) }
                try await Task.sleep(for: AgentLimits.sharedBlobInterval)
                if store.blobs.has(item.digest, size: item.size) { return nil }
            }
        }
    }

    private static func failure(_ error: any Error, _ item: InstallPlan.Item) -> SlotFailure {
        let isMissing = (error as? ClientError)?.status == 404
        return SlotFailure.fetching("\(item.digest) of \(item.of)", error, code: isMissing ? "blobMissing" : nil)
    }

    /// The release's index: from the store, else from the registry; checked against what publisher and director signed.
    func index(of release: AssignedRelease) async throws -> ReleaseIndex {
        let bytes = try await document(release.indexDigest, in: release.path.repository, release.path.reference)
        do {
            return try ReleaseIndex(parsing: bytes, digest: release.indexDigest, length: ByteCount(release.length))
        } catch {
            throw SlotFailure.from(error)
        }
    }

    /// A variant's manifest, checked against its entry in the verified index.
    func manifest(of entry: VariantEntry, in repository: RepositoryName) async throws -> VariantManifest {
        let bytes = try await document(entry.descriptor.digest, in: repository, repository.text)
        do {
            return try VariantManifest(parsing: bytes, matching: entry.descriptor)
        } catch {
            throw SlotFailure.from(error)
        }
    }

    func document(_ digest: Digest, in repository: RepositoryName, _ subject: String) async throws -> [UInt8] {
        if let bytes = try await store.blobs.document(digest, limit: Limits.manifestBytes) { return bytes }
        do {
            let bytes = try await link.content().manifest(digest, in: repository)
            try await store.blobs.put(bytes, as: digest)
            return bytes
        } catch {
            try Task.checkCancellation()
            throw SlotFailure.fetching("\(digest) of \(subject)", error)
        }
    }
}

extension SlotFailure {
    /// What it means for an installation that something of the registry's did not come.
    ///
    /// The way there may mend by itself; that the registry refuses, has not, or has something else is tried a bounded
    /// number of times; what the device's own disk says waits for room.
    static func fetching(_ subject: String, _ error: any Error, code: String? = nil) -> SlotFailure {
        let summary = ErrorSummary(error)
        let answer = error as? ClientError
        let store = error as? AgentStoreError
        let kind: Kind
        if isRefusal(error) {
            kind = .refused
        } else if TrustKeeper.isTransport(error) || (answer.map(RegistryLink.isOfAuthorities) ?? false) {
            // Whoever stands between may answer in the registry's place; that says nothing about the registry.
            kind = .transport
        } else if answer?.reason == .closed || (store.map { $0.fault != .peer } ?? false) {
            kind = .retry
        } else {
            kind = .refused
        }
        return SlotFailure(
            kind, code: code ?? summary.code, message: "\(subject): \(summary.message)",
            asked: answer?.retryAfterSeconds.map { .seconds(max(0, $0)) })
    }

    static func isRefusal(_ error: any Error) -> Bool {
        (error as? ClientError)?.status.map(refusals.contains) ?? false
    }

    /// Answers that say that there is too much of it, or that this device may not: asking again soon helps nobody.
    private static let refusals: Set<Int> = [403, 413, 429, 507]
}
