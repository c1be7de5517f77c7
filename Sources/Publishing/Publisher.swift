internal import BundleFormat
internal import MartletAPI
internal import MartletTypes
package import RegistryClient
internal import Synchronization
internal import TUF

/// Publishes releases: reads the files, builds the release, uploads what the registry lacks, signs.
package struct Publisher: Sendable {
    let context: PublisherContext
    private let journal: UploadJournal?

    /// `journal` remembers open uploads, so that a killed one goes on.
    package init(context: PublisherContext, journal: UploadJournal?) {
        self.context = context
        self.journal = journal
    }

    /// Publishes `request`. The same content again is `unchanged`; other content throws `versionExists`.
    ///
    /// Nothing is visible to devices before the last step, the signature. Throws `PublishError`; `BundleError` where
    /// what the registry says of a base is wrong; `ClientError`, `TUFError`.
    package func publish(
        _ request: PublishRequest, progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> PublishResult {
        try checkNeeds(request)
        let side = try await sideFiles(request)
        let files = try await readWeights(request, progress)
        try await context.refresh()
        let base = try await self.base(of: request)
        let variants = try variants(files, base, request)
        let draft = try PublishError.naming("the release") {
            try ReleaseDraft(
                release: request.release, variants: variants, side: side, engine: request.engine, base: base?.binding)
        }
        let target = TargetFile(length: Int64(draft.index.count), digest: .of(draft.index))
        if try await isPublished(request.release, as: target) {
            try await attach(request, draft, side)
            try await tag(request.release, draft)
            return result(.unchanged, request.release, draft, sent: 0)
        }
        let sent = try await upload(request, draft, files: files, side: side, base: base, progress)
        // Before the release is published: a device that demands them never sees it without.
        try await attach(request, draft, side)
        return try await sign(request.release, draft, target, sent: sent, progress)
    }

    /// The last step: the signature, then the tag.
    func sign(
        _ release: ReleasePath, _ draft: ReleaseDraft, _ target: TargetFile, sent: Int64,
        _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws -> PublishResult {
        let editor = BinEditor(context: context, progress: progress)
        let outcome = try await editor.submit(.add(path: release.text, file: target)) { found in
            try Self.isSame(found, target, release)
        }
        switch outcome {
        case .pending(let proposal):
            // No tag: it would make visible what too few have signed.
            return result(.pending, release, draft, sent: sent, proposal: proposal)
        case .applied, .unchanged:
            try await tag(release, draft)
            if case .unchanged = outcome { return result(.unchanged, release, draft, sent: sent) }
            return result(.published, release, draft, sent: sent)
        }
    }

    func isPublished(_ release: ReleasePath, as target: TargetFile) async throws -> Bool {
        try Self.isSame(try await context.target(release.text), target, release)
    }

    private static func isSame(_ found: TargetFile?, _ wanted: TargetFile, _ release: ReleasePath) throws -> Bool {
        guard let found else { return false }
        if found.length == wanted.length, found.hashes == wanted.hashes { return true }
        let digests = [found, wanted].map { "sha256:" + ($0.hashes["sha256"] ?? "unknown") }
        throw PublishError(
            .versionExists,
            "\(release.reference) is published with other content: its index is \(digests[0]), this one is "
                + "\(digests[1]).",
            remedy: "Publish under a new version; a published version never changes.")
    }

    // MARK: - Files

    private func sideFiles(_ request: PublishRequest) async throws -> SideFiles {
        var side = SideFiles()
        if let path = request.evaluation {
            let bytes = try await LocalFile.text(path, what: "evaluation set", limit: Limits.evaluationBytes)
            _ = try PublishError.naming(path) { try EvaluationSet(parsing: bytes) }
            side.evaluation = DraftBlob(bytes, mediaType: MediaType.dataset, name: LocalFile.name(path))
            side.threshold = request.threshold
        } else if request.threshold != nil {
            throw PublishError(
                .badRequest, "A least accuracy was given without an evaluation set.", remedy: "Add --eval FILE.jsonl.")
        }
        side.probes = try await probes(request)
        side.card = try await document(request.card, "model card", MediaType.document)
        side.license = try await document(request.license, "licence", MediaType.document)
        side.chatTemplate = try await document(request.chatTemplate, "chat template", MediaType.weightConfig)
        return side
    }

    /// Those of the file, then those that were given by themselves.
    private func probes(_ request: PublishRequest) async throws -> DraftBlob? {
        var all: [Probe] = []
        if let path = request.probesFile {
            let bytes = try await LocalFile.text(path, what: "file of probes", limit: BundleLimits.probesBytes)
            all = try PublishError.naming(path) { try ProbeSet(parsing: bytes).probes }
        }
        all += request.probes
        guard !all.isEmpty else { return nil }
        let bytes = try PublishError.naming("the probes") { try ProbeSet(all).encoded() }
        return DraftBlob(bytes, mediaType: MediaType.probes, name: "probes")
    }

    private func document(_ path: String?, _ what: String, _ mediaType: String) async throws -> DraftBlob? {
        guard let path else { return nil }
        let bytes = try await LocalFile.text(path, what: what, limit: BundleLimits.documentBytes)
        return DraftBlob(bytes, mediaType: mediaType, name: LocalFile.name(path))
    }

    // MARK: - Uploading

    private func upload(
        _ request: PublishRequest, _ draft: ReleaseDraft, files: [WeightFiles], side: SideFiles, base: Base?,
        _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws -> Int64 {
        let repository = request.release.repository
        for weight in base?.weights ?? [] {
            try await context.oci.mount(
                weight.descriptor.digest, from: base?.binding.release.repository ?? repository, to: repository)
            progress(.present(file: weight.fileName, mounted: true))
        }
        return try await upload(files.flatMap(\.blobs) + side.blobs, draft, to: repository, progress)
    }

    /// Blobs first, then the manifests, then the index.
    func upload(
        _ files: [DraftBlob], _ draft: ReleaseDraft, to repository: RepositoryName,
        _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws -> Int64 {
        var sent: Int64 = 0
        var seen: Set<Digest> = []
        for blob in files + draft.variants.map(\.config) where seen.insert(blob.descriptor.digest).inserted {
            sent += try await upload(blob, to: repository, progress)
        }
        for variant in draft.variants {
            _ = try await context.oci.putManifest(variant.manifest, mediaType: MediaType.manifest, in: repository)
        }
        _ = try await context.oci.putManifest(draft.index, mediaType: MediaType.index, in: repository)
        return sent
    }

    private func upload(
        _ blob: DraftBlob, to repository: RepositoryName, _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws -> Int64 {
        let total = blob.descriptor.size.bytes
        // The first that is heard is where the upload stands, before a byte is sent.
        let isFirst = Atomic(true)
        let outcome = try await context.oci.upload(
            blob.source, digest: blob.descriptor.digest, size: blob.descriptor.size, to: repository, journal: journal
        ) { done in
            if isFirst.exchange(false, ordering: .relaxed) {
                // All of it is there: what that means is told below.
                if done == total { return }
                if done > 0 { progress(.resumed(file: blob.name, at: done)) }
            }
            progress(.uploading(file: blob.name, done: done, total: total))
        }
        switch outcome {
        case .existing, .mounted:
            progress(.present(file: blob.name, mounted: false))
            return 0
        case .uploaded(let resumedAt): return total - resumedAt
        }
    }

    /// Names the index by its version too, for clients that pull by tag. Comes last: a tag before the signature could
    /// stand in the way of another try with other content.
    func tag(_ release: ReleasePath, _ draft: ReleaseDraft) async throws {
        let digest = Digest.of(draft.index)
        let tag = release.version.text
        guard try await context.oci.manifestDigest(tag, in: release.repository) != digest else { return }
        _ = try await context.oci.putManifest(
            draft.index, mediaType: MediaType.index, in: release.repository, tag: tag)
    }

    func result(
        _ outcome: PublishResult.Outcome, _ release: ReleasePath, _ draft: ReleaseDraft, sent: Int64,
        proposal: Proposal? = nil
    ) -> PublishResult {
        PublishResult(
            outcome: outcome, release: release, kind: draft.kind, indexDigest: .of(draft.index),
            variants: draft.variants.map {
                .init(digest: $0.entry.descriptor.digest, quantization: $0.entry.quantization, size: $0.entry.fileSize)
            }, bytesSent: sent, proposal: proposal?.id, signatures: proposal?.progress.map(\.signed.count).min(),
            signaturesNeeded: proposal?.progress.map(\.needed).max())
    }
}
