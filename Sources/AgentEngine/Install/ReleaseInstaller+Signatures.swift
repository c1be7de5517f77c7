internal import AgentStore
internal import BundleFormat
internal import MartletTypes
internal import RegistryClient
internal import Trust

/// The owner's demand for model signatures, met or not before a byte of weights is asked for.
///
/// A signature is over the digests that the verified manifest names, which every blob is hashed against while it is
/// written: nothing is read twice.
extension ReleaseInstaller {
    /// The signatures that meet the owner's demands, to be kept with the generation. Throws `SlotFailure` where one
    /// demand is not met.
    func signatures(
        of variants: [InstallPlan.Variant], _ indexes: [ReleaseIndex], _ record: SlotRecord
    ) async throws -> [Digest] {
        var used: [Digest] = []
        for (variant, index) in zip(variants, indexes) {
            let repositories = [variant.path.repository, index.base?.release.repository].compactMap(\.self)
            let demands = policy.modelSignatures(for: repositories)
            guard !demands.isEmpty else { continue }
            used += try await signatures(of: variant, demands, record)
        }
        return used
    }

    private func signatures(
        of variant: InstallPlan.Variant, _ demands: [LocalPolicy.SignatureDemand], _ record: SlotRecord
    ) async throws -> [Digest] {
        let bytes = try await document(
            variant.entry.descriptor.digest, in: variant.path.repository, variant.path.reference)
        let files = try ImageManifest(parsing: bytes).pulledFiles.map {
            ModelFile(name: $0.name, digest: $0.digest, reachesEngine: $0.reachesEngine)
        }
        var ballot = SignatureBallot(files: files, demands: demands)
        // What came with a generation that is here needs no network.
        for digest in Self.kept(record) {
            guard let known = try await store.blobs.document(digest, limit: TrustLimits.modelSignatureBytes) else {
                continue
            }
            ballot.take(known, digest)
        }
        // Those of other releases are no finding against this one.
        ballot.forgetRefusals()
        for known in try await bundled(variant.entry.descriptor.digest) where !ballot.isDecided {
            let digest = Digest.of(known)
            ballot.take(known, digest)
            if ballot.used.contains(digest) { try await store.blobs.put(known, as: digest) }
        }
        if !ballot.isDecided { try await ask(for: variant, &ballot) }
        guard ballot.isDecided else { throw ballot.failure(variant.path) }
        return ballot.used
    }

    /// Remembers the signatures of a bundle, in place of an earlier one's: the plan that needs them may be made after
    /// the bundle is closed. Nothing where the owner demands none.
    func keepSignatures(of front: BundleFront) async throws {
        guard !policy.modelSignatures.isEmpty else { return }
        var left = AgentLimits.bundledSignatureBytes
        var members: [String: JSONValue] = [:]
        for (variant, signatures) in front.signatures.sorted(by: { $0.key < $1.key }) {
            var documents: [JSONValue] = []
            for bytes in signatures where bytes.count <= left {
                // What is no JSON is no signature either.
                guard let document = try? JSONValue(parsing: bytes) else { continue }
                documents.append(document)
                left -= bytes.count
            }
            members[variant.hex] = .array(documents)
        }
        try await store.journal.setFact(Self.bundledFact, try JSONText.encode(JSONValue.object(members)))
    }

    private func bundled(_ variant: Digest) async throws -> [[UInt8]] {
        guard let fact = try await store.journal.fact(Self.bundledFact) else { return [] }
        return try (JSONValue(parsing: fact)[variant.hex]?.array ?? []).map { try JSONText.encode($0) }
    }

    private static let bundledFact = "bundledSignatures"

    private static func kept(_ record: SlotRecord) -> [Digest] {
        Array(Set(record.known.flatMap(\.documents)).subtracting(record.known.flatMap(\.variants))).sorted()
    }

    /// Reads what the registry lists as signatures of a variant until all demands are met, or the list is at its end.
    private func ask(for variant: InstallPlan.Variant, _ ballot: inout SignatureBallot) async throws {
        let (repository, subject) = (variant.path.repository, variant.entry.descriptor.digest)
        do {
            let content = try await link.content()
            let listed = try ImageIndex(
                parsing: await content.referrers(of: subject, type: ModelSignature.mediaType, in: repository))
            // A registry that does not filter lists all; the newest come last, and an old one may be by a lost key.
            let wanted = listed.manifests.filter { $0.artifactType == ModelSignature.mediaType }.reversed()
            for entry in wanted.prefix(AgentLimits.modelSignatures) where !ballot.isDecided {
                guard let document = try await document(of: entry, about: subject, repository) else { continue }
                ballot.take(document.bytes, document.digest)
                if ballot.used.contains(document.digest) {
                    try await store.blobs.put(document.bytes, as: document.digest)
                }
            }
        } catch {
            try Task.checkCancellation()
            let summary = ErrorSummary(error)
            throw SlotFailure(
                TrustKeeper.isTransport(error) ? .transport : .retry, code: summary.code,
                message: "The model signatures of \(variant.path.reference) cannot be read: \(summary.message)")
        }
    }

    /// The bundle of one listed referrer; nil where it is not what a referrer must be: others may be.
    private func document(
        of entry: Descriptor, about subject: Digest, _ repository: RepositoryName
    ) async throws -> (bytes: [UInt8], digest: Digest)? {
        let content = try await link.content()
        let manifest = try await content.manifest(entry.digest, in: repository)
        guard let referrer = try? Referrer(parsing: manifest, type: ModelSignature.mediaType, about: subject),
            referrer.document.size.bytes <= TrustLimits.modelSignatureBytes
        else { return nil }
        let bytes = try await content.document(
            referrer.document.digest, size: referrer.document.size, limit: TrustLimits.modelSignatureBytes,
            from: repository)
        return (bytes, referrer.document.digest)
    }
}

/// Counts which of the owner's demands the signatures at hand meet. Pure.
struct SignatureBallot {
    let files: [ModelFile]
    private(set) var unmet: [LocalPolicy.SignatureDemand]
    /// The signatures that met a demand.
    private(set) var used: [Digest] = []
    private var refusals: [String] = []

    init(files: [ModelFile], demands: [LocalPolicy.SignatureDemand]) {
        self.files = files
        unmet = demands
    }

    var isDecided: Bool { unmet.isEmpty }

    /// Takes the bytes of something that may be a signature.
    mutating func take(_ bytes: [UInt8], _ digest: Digest) {
        let signature: ModelSignature
        do {
            signature = try ModelSignature(parsing: bytes)
        } catch {
            refusals.append(error.message)
            return
        }
        let before = unmet.count
        var reason: String?
        unmet.removeAll { demand in
            do throws(TrustError) {
                reason = try signature.verified(by: demand.keys).refusal(of: files)
                return reason == nil
            } catch {
                reason = error.message
                return false
            }
        }
        if unmet.count < before { used.append(digest) }
        if let reason { refusals.append(reason) }
    }

    mutating func forgetRefusals() { refusals = [] }

    /// Why the release is refused: what is demanded, and what was found instead.
    func failure(_ path: ReleasePath) -> SlotFailure {
        let wanted = unmet.map { demand in
            "\(demand.pattern): key " + demand.keys.map(\.description).joined(separator: " or ")
        }
        let found = refusals.isEmpty ? "It has none." : "Found: " + Set(refusals).sorted().joined(separator: " ")
        return SlotFailure(
            .final, code: refusals.isEmpty ? "modelSignatureMissing" : "modelSignatureRefused",
            message: "This device's owner demands a model signature of \(path.reference) "
                + "(\(wanted.joined(separator: "; "))). \(found)")
    }
}
