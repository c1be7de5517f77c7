internal import AgentStore
internal import BundleFormat
package import MartletTypes
internal import RegistryClient
internal import Trust

extension ReleaseInstaller {
    package func fetch(_ plan: InstallPlan) async throws -> ByteCount {
        var fetched: Int64 = 0
        for item in plan.items where !store.blobs.has(item.digest, size: item.size) {
            fetched += try await fetch(item, maxSpeed: plan.target.assignment.update.conditions?.bytesPerSecond)
        }
        return ByteCount(fetched)
    }

    /// One blob, continued from what is there, tried again where the way failed. `maxSpeed` is bytes per second,
    /// within the device's own limit.
    func fetch(_ item: InstallPlan.Item, maxSpeed: Int64? = nil) async throws -> Int64 {
        var failures = 0
        var fetched: Int64 = 0
        while true {
            guard let partial = try await opened(item) else { return fetched }
            let start = partial.offset.bytes
            do {
                if start < item.size.bytes {
                    let content = try await link.content()
                    try await content.download(
                        item.digest, size: item.size, range: start..<item.size.bytes, from: item.repository,
                        maxSpeed: maxSpeed
                    ) { try partial.append($0) }
                }
                fetched += partial.offset.bytes - start
                try await store.blobs.commit(partial)
                return fetched
            } catch {
                partial.close()
                try Task.checkCancellation()
                fetched += max(0, partial.offset.bytes - start)
                // Each try that brought bytes starts the count anew: a bad link gets there in the end.
                failures = partial.offset.bytes > start ? 1 : failures + 1
                guard TrustKeeper.isTransport(error), failures < AgentLimits.blobAttempts else {
                    throw Self.failure(error, item)
                }
                try await pause(failures)
            }
        }
    }

    /// The blob to be written; nil where another slot, e.g. one with the same base, brought it meanwhile.
    func opened(_ item: InstallPlan.Item) async throws -> PartialBlob? {
        while true {
            do {
                return try await store.blobs.open(item.digest, size: item.size)
            } catch {
                guard error.reason == .busy else { throw Self.failure(error, item) }
                try await Task.sleep(for: AgentLimits.sharedBlobInterval)
                if store.blobs.has(item.digest, size: item.size) { return nil }
            }
        }
    }

    private static func failure(_ error: any Error, _ item: InstallPlan.Item) -> SlotFailure {
        let summary = ErrorSummary(error)
        let isTransport = TrustKeeper.isTransport(error)
        let isMissing = (error as? ClientError)?.status == 404
        return SlotFailure(
            isTransport ? .transport : .retry, code: isMissing ? "blobMissing" : summary.code,
            message: "\(item.digest) of \(item.of): \(summary.message)")
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
            let summary = ErrorSummary(error)
            throw SlotFailure(
                TrustKeeper.isTransport(error) ? .transport : .retry, code: summary.code,
                message: "\(digest) of \(subject): \(summary.message)")
        }
    }
}
