internal import BundleFormat
internal import Glibc
internal import MartletTypes
internal import RegistryClient
internal import TUF

extension Publisher {
    /// Publishes an engine or an agent. The same content again is `unchanged`; other content throws `versionExists`.
    ///
    /// Throws `PublishError`, and `BundleError` that names what of a folder cannot be packed.
    package func publish(
        _ request: ProgramRequest, progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> PublishResult {
        guard !request.builds.isEmpty else {
            throw PublishError(.badRequest, "Nothing was given to publish.", remedy: "Give a folder or a program.")
        }
        var archives: [String] = []
        defer { for archive in archives { unlink(archive) } }
        var programs: [Program] = []
        for (index, build) in request.builds.enumerated() {
            let archive = "\(request.scratch)/engine-\(getpid())-\(index).tar.zst"
            if request.kind == .engine { archives.append(archive) }
            programs.append(try await program(build, archive, request, progress))
        }
        let platforms = programs.map(\.variant.entry.platform)
        guard Set(platforms).count == platforms.count else {
            throw PublishError(
                .badRequest,
                "Two builds are for the same processor: \(platforms.map(\.description).joined(separator: ", ")).",
                remedy: "Give one build for each.")
        }
        let draft = try PublishError.naming("the release") {
            try ReleaseDraft(
                release: request.release, kind: request.kind == .engine ? .engine : .agent,
                programs: programs.map(\.variant))
        }
        try await context.refresh()
        let target = TargetFile(length: Int64(draft.index.count), digest: .of(draft.index))
        if try await isPublished(request.release, as: target) {
            try await tag(request.release, draft)
            return result(.unchanged, request.release, draft, sent: 0)
        }
        let sent = try await upload(programs.map(\.blob), draft, to: request.release.repository, progress)
        return try await sign(request.release, draft, target, sent: sent, progress)
    }

    /// One build, packed and hashed.
    private struct Program {
        let blob: DraftBlob
        let variant: ReleaseDraft.Variant
    }

    private func program(
        _ build: String, _ archive: String, _ request: ProgramRequest,
        _ progress: @escaping @Sendable (PublishProgress) -> Void
    ) async throws -> Program {
        let content: ProgramManifest.Content = request.kind == .engine ? .engine : .agent
        let file = content == .engine ? archive : build
        let (unpacked, architecture) = try await blocking {
            try content == .engine ? Self.pack(build, archive) : Self.inspect(build, request.release)
        }
        guard let architecture else {
            throw PublishError(
                .badFile, "\(build) holds no program for amd64 or arm64.",
                remedy: "Give a build for Linux on one of them.")
        }
        let name = LocalFile.name(build)
        let (digest, size) = try await LocalFile.digest(file) { done, total in
            progress(.hashing(file: name, done: done, total: total))
        }
        let layer = Descriptor(mediaType: content.mediaType, digest: digest, size: size)
        let manifest = try ProgramManifest(content: content, layer: layer, unpacked: unpacked).encoded()
        let needs = request.needs.filter { $0.file == nil || $0.file == name }.reduce(VariantNeeds()) { $0.and($1) }
        let engine =
            content == .engine ? request.release.repository.text.split(separator: "/").last.map(String.init) : nil
        let entry = VariantEntry(
            descriptor: Descriptor(mediaType: MediaType.manifest, of: manifest),
            platform: Platform(architecture: architecture, os: "linux"), quantization: "none", fileSize: size,
            minMemory: .zero, cpuFeatures: needs.cpuFeatures,
            engine: EngineRequirement(name: engine ?? "martlet-agent"), shape: nil)
        let config = DraftBlob(ProgramManifest.configBytes, mediaType: MediaType.emptyConfig, name: "config")
        return Program(
            blob: DraftBlob(layer, name: name, source: .file(path: file)),
            variant: ReleaseDraft.Variant(config: config, manifest: manifest, entry: entry))
    }

    private static func pack(_ folder: String, _ archive: String) throws -> (ByteCount, String?) {
        let packed = try EngineTree.pack(folder, to: archive)
        return (packed.unpacked, packed.architecture)
    }

    /// An agent's program: its length, its processor, and that it is of the version that it is published under.
    private static func inspect(_ path: String, _ release: ReleasePath) throws -> (ByteCount, String?) {
        let size = try LocalFile.size(path)
        guard size.bytes <= BundleLimits.programBytes else {
            throw PublishError(.badFile, "\(path) has more than \(BundleLimits.programBytes) bytes.")
        }
        let found = try AgentStampReader.read(path)
        guard let version = found.version else {
            throw PublishError(
                .badFile, "\(path) is no martlet-agent: it states no version.", remedy: "Give the agent's program.")
        }
        guard version == release.version.text else {
            throw PublishError(
                .badRequest, "\(path) is martlet-agent \(version), not \(release.version).",
                remedy: "Publish it as \(release.repository):\(version).")
        }
        return (size, found.architecture)
    }
}
