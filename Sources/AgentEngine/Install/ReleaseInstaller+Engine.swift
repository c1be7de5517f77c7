internal import AgentStore
internal import BundleFormat
internal import DeviceProfiles
internal import MartletTypes
internal import ModelRuntime
internal import Trust

extension ReleaseInstaller {
    /// The engine among the assigned releases, with the build for this device; nil where none is assigned.
    func engine(in indexes: [ReleaseIndex], _ target: SlotTarget) async throws -> EngineChoice? {
        guard let (index, release) = zip(indexes, target.assignment.releases).first(where: { $0.0.kind == .engine })
        else { return nil }
        guard trees != nil else { throw EngineTrees.notTaken }
        let entry = try build(of: index, release, room: try await store.blobs.room())
        guard entry.engine.name == InstalledEngines.llama else {
            throw SlotFailure(
                .final, code: "engineMismatch",
                message:
                    "\(release.path.reference) is the engine \(entry.engine.name); only "
                    + "\(InstalledEngines.llama) comes as a release.")
        }
        let manifest = try await program(of: entry, .engine, release)
        let build = EngineBuild(
            name: entry.engine.name, version: index.version, archive: manifest.layer.digest, size: manifest.layer.size,
            unpacked: manifest.unpacked)
        return EngineChoice(release: release, entry: entry, build: build)
    }

    /// Unpacks the engine where it is not yet. One whose archive rotted here meanwhile is told of, and fetched again.
    func unpack(_ engine: EngineChoice) async throws {
        guard let trees else { throw EngineTrees.notTaken }
        do {
            _ = try await trees.program(of: engine.build)
        } catch {
            if (error as? SlotFailure)?.code == SlotFailure.rottenCode {
                await rotten(engine.build.archive, engine.release.path)
            }
            throw error
        }
    }

    /// The first build of an engine or agent that runs on this processor.
    func build(of index: ReleaseIndex, _ release: AssignedRelease, room: ByteCount) throws -> VariantEntry {
        let candidates = index.variants.map { entry in
            VariantCandidate(
                name: entry.descriptor.digest.text, os: entry.platform.os, architecture: entry.platform.architecture,
                quantization: entry.quantization, fileSize: entry.fileSize,
                missingBytes: store.blobs.has(entry.descriptor.digest) ? .zero : entry.fileSize,
                cpuFeatures: entry.cpuFeatures, engine: entry.engine)
        }
        // The program brings itself: there is nothing that it needs of the engines here.
        let engines = Dictionary(index.variants.map { ($0.engine.name, index.version.text) }) { first, _ in first }
        let choice = VariantChoice.choose(
            candidates, facts: hardware.facts, profile: hardware.profile, freeMemory: .mebibytes(1 << 20),
            freeDisk: room, engines: engines)
        guard let chosen = choice.chosen,
            let entry = index.variants.first(where: { $0.descriptor.digest.text == chosen.name })
        else {
            let reasons = choice.verdicts.map(\.reason).joined(separator: " | ")
            throw SlotFailure(
                .skipped, code: "noVariantFits",
                message: "No build of \(release.path.reference) fits this device: \(reasons).")
        }
        return entry
    }

    /// The manifest of a program, checked against its entry in the verified index.
    func program(
        of entry: VariantEntry, _ content: ProgramManifest.Content, _ release: AssignedRelease
    ) async throws -> ProgramManifest {
        let bytes = try await document(
            entry.descriptor.digest, in: release.path.repository, release.path.reference)
        let manifest: ProgramManifest
        do {
            manifest = try ProgramManifest(parsing: bytes, matching: entry.descriptor)
        } catch {
            throw SlotFailure.from(error)
        }
        guard manifest.content == content else {
            throw SlotFailure(
                .final, code: "unsupportedKind", message: "\(release.path.reference) holds no \(content.rawValue).")
        }
        return manifest
    }

    /// The archive, as it is fetched.
    func item(of engine: EngineChoice) -> InstallPlan.Item {
        item(engine.build.archive, engine.build.size, engine.release)
    }

    func item(_ digest: Digest, _ size: ByteCount, _ release: AssignedRelease) -> InstallPlan.Item {
        InstallPlan.Item(
            digest: digest, size: size, repository: release.path.repository,
            source: store.blobs.has(digest, size: size) ? .present : .full, of: release.path.reference)
    }
}
