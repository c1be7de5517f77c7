internal import BundleFormat
internal import GGUF
internal import MartletTypes
internal import RegistryClient
internal import TUF

/// The files of one build, read, checked and hashed.
struct WeightFiles: Sendable {
    let shape: ModelShape
    let blobs: [DraftBlob]
}

/// A verified base release: what an adapter is bound to and what it lists.
struct Base: Sendable {
    struct Variant: Sendable {
        let weights: [WeightLayer]
        let shape: ModelShape
    }

    let binding: BaseBinding
    let variants: [Variant]

    /// The weights of all variants, each digest once.
    var weights: [WeightLayer] {
        var seen: Set<Digest> = []
        return variants.flatMap(\.weights).filter { seen.insert($0.descriptor.digest).inserted }
    }
}

extension Publisher {
    /// Reads each build's shape from its files, then hashes them.
    func readWeights(
        _ request: PublishRequest, _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws -> [WeightFiles] {
        guard !request.variants.isEmpty, request.variants.allSatisfy({ !$0.isEmpty }) else {
            throw PublishError(.badRequest, "No model file was given.", remedy: "Give the path of a GGUF file.")
        }
        var shapes: [ModelShape] = []
        for paths in request.variants {
            if let format = request.format, format != ModelShape.ggufFormat {
                shapes.append(try await blocking { try Self.opaque(format, paths, request) })
                continue
            }
            let shape = try await blocking { try Self.shape(paths) }
            try checkKind(shape, paths, request)
            shapes.append(shape)
        }
        var files: [WeightFiles] = []
        var seen: [[Digest]: String] = [:]
        for (shape, paths) in zip(shapes, request.variants) {
            var blobs: [DraftBlob] = []
            for path in paths {
                let name = LocalFile.name(path)
                let (digest, size) = try await LocalFile.digest(path) { done, total in
                    progress(.hashing(file: name, done: done, total: total))
                }
                let descriptor = Descriptor(mediaType: MediaType.weights, digest: digest, size: size)
                blobs.append(DraftBlob(descriptor, name: name, source: .file(path: path)))
            }
            if let other = seen.updateValue(paths[0], forKey: blobs.map(\.descriptor.digest)) {
                throw PublishError(
                    .badRequest, "\(paths[0]) has the same content as \(other).", remedy: "Give each variant once.")
            }
            files.append(WeightFiles(shape: shape, blobs: blobs))
        }
        return files
    }

    /// A model of another format: nothing of it is read but its length.
    private static func opaque(
        _ format: String, _ paths: [String], _ request: PublishRequest
    ) throws(PublishError) -> ModelShape {
        guard request.engine.name != llama else {
            throw PublishError(
                .badRequest, "llama.cpp takes no model of the format \(format).",
                remedy: "Name the engine that the devices declare for it: --engine NAME.")
        }
        guard request.adapterOf == nil, request.pooling == nil, request.chatTemplate == nil else {
            throw PublishError(
                .badRequest, "A base, a pooling and a chat template go with GGUF files only.",
                remedy: "Leave out --adapter-of, --pooling and --chat-template.")
        }
        var size = ByteCount.zero
        for path in paths { size = size + (try LocalFile.size(path)) }
        return ModelShape.opaque(format: format, name: LocalFile.name(paths[0]), fileSize: size)
    }

    /// The engine of GGUF files.
    static let llama = "llama.cpp"

    /// What the files say of the model; an error names the file that is wrong.
    private static func shape(_ paths: [String]) throws(PublishError) -> ModelShape {
        var path = paths[0]
        do throws(GGUFError) {
            var parts: [GGUFFile] = []
            for next in paths {
                path = next
                parts.append(try GGUFFile.read(path: next))
            }
            if paths.count > 1 { path = paths[0] + " and its further parts" }
            return try GGUFFile.shape(parts: parts)
        } catch {
            guard error.reason != .unreadable else {
                throw PublishError(
                    .fileUnreadable, "\(path) cannot be read: \(error.detail).",
                    remedy: "Check the path and that you may read it.")
            }
            throw PublishError(.malformedModel, "\(path): \(error.message)", remedy: error.remedy)
        }
    }

    private func checkKind(_ shape: ModelShape, _ paths: [String], _ request: PublishRequest) throws(PublishError) {
        let path = paths[0]
        if shape.isAdapter, request.adapterOf == nil {
            throw PublishError(
                .adapterMismatch, "\(path) is a LoRA adapter, and no base was named.",
                remedy: "Add --adapter-of NAMESPACE/NAME:VERSION, the release of the model that it was trained on.")
        }
        if !shape.isAdapter, let base = request.adapterOf {
            throw PublishError(
                .adapterMismatch, "\(path) is a whole model, not an adapter of \(base.reference).",
                remedy: "Leave out --adapter-of, or give the adapter's file.")
        }
        if shape.isAdapter, request.variants.count > 1 || paths.count > 1 {
            throw PublishError(
                .badRequest, "An adapter release has one file; it serves on every variant of its base.",
                remedy: "Leave out --variant.")
        }
    }

    /// The verified base of an adapter; nil for a model.
    func base(of request: PublishRequest) async throws -> Base? {
        guard let release = request.adapterOf else { return nil }
        guard let target = try await context.target(release.text), let hex = target.hashes["sha256"],
            let digest = try? Digest("sha256:" + hex.lowercased())
        else {
            throw PublishError(
                .unknownRelease, "The base \(release.reference) is not published.",
                remedy: "Publish the base first; `martlet releases` lists what is there.")
        }
        let bytes = try await context.oci.manifest(digest, in: release.repository)
        let index = try ReleaseIndex(parsing: bytes, digest: digest, length: ByteCount(target.length))
        guard index.kind == .model else {
            throw PublishError(
                .adapterMismatch, "\(release.reference) is of kind \(index.kind.rawValue); an adapter needs a model.",
                remedy: "Name the release of the whole model that the adapter was trained on.")
        }
        var variants: [Base.Variant] = []
        for entry in index.variants {
            let manifest = try VariantManifest(
                parsing: try await context.oci.manifest(entry.descriptor.digest, in: release.repository),
                matching: entry.descriptor)
            let weights = manifest.weights.map {
                WeightLayer(descriptor: $0.descriptor, role: .base, fileName: $0.fileName)
            }
            variants.append(Base.Variant(weights: weights, shape: manifest.shape))
        }
        return Base(binding: BaseBinding(release: release, indexDigest: digest), variants: variants)
    }

    /// One variant for each build of a model; one for each variant of its base for an adapter.
    func variants(
        _ files: [WeightFiles], _ base: Base?, _ request: PublishRequest
    ) throws -> [VariantDraft] {
        guard let base, let adapter = files.first, let blob = adapter.blobs.first else {
            return files.map { file in
                let weights = file.blobs.map {
                    WeightLayer(descriptor: $0.descriptor, role: .model, fileName: $0.name)
                }
                return VariantDraft(
                    weights: weights, shape: Self.pooled(file.shape, request),
                    needs: Self.needs(of: file.blobs.first?.name, request))
            }
        }
        let layer = WeightLayer(descriptor: blob.descriptor, role: .adapter, fileName: blob.name)
        return try base.variants.map { variant in
            guard variant.shape.architecture == adapter.shape.architecture else {
                throw PublishError(
                    .adapterMismatch,
                    "\(blob.name) is for \(adapter.shape.architecture), its base "
                        + "\(base.binding.release.reference) is \(variant.shape.architecture).",
                    remedy: "Name the release of the model that the adapter was trained on.")
            }
            return VariantDraft(
                weights: variant.weights + [layer], shape: Self.pooled(variant.shape, request),
                adapterShape: adapter.shape, needs: Self.needs(of: blob.name, request))
        }
    }

    /// The shape with what the publisher says of embeddings.
    private static func pooled(_ shape: ModelShape, _ request: PublishRequest) -> ModelShape {
        var shape = shape
        shape.pooling = request.pooling ?? shape.pooling
        return shape
    }

    private static func needs(of file: String?, _ request: PublishRequest) -> VariantNeeds {
        request.needs.filter { $0.file == nil || $0.file == file }.reduce(VariantNeeds()) { $0.and($1) }
    }

    /// A requirement of a file that is not published is a slip of the pen.
    func checkNeeds(_ request: PublishRequest) throws(PublishError) {
        let names = request.variants.compactMap { $0.first.map(LocalFile.name) }
        for file in request.needs.compactMap(\.file) where !names.contains(file) {
            throw PublishError(
                .badRequest, "A requirement is for \(file), which is no build of this release.",
                remedy: "Name one of \(names.joined(separator: ", ")).")
        }
    }
}
