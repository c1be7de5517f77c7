internal import AgentStore
internal import BundleFormat
internal import MartletTypes
internal import Trust

/// The engine release of a plan with the build that runs on this device.
package struct EngineChoice: Sendable {
    let release: AssignedRelease
    let entry: VariantEntry
    let build: EngineBuild

    /// What is kept of it beside the archive, so that it installs again without a registry.
    var documents: [Digest] { [release.indexDigest, entry.descriptor.digest] }

    /// Refuses an engine that is not the one that the model needs.
    func check(serves engine: EngineRequirement, _ model: AssignedRelease) throws {
        guard engine.name != build.name else { return }
        throw SlotFailure(
            .final, code: "engineMismatch",
            message: "\(model.path.reference) is for the engine \(engine.name); assigned with it is "
                + "\(release.path.reference), which is \(build.name).")
    }
}

/// The agent release of a plan with the program for this processor.
package struct AgentChoice: Sendable {
    let release: AssignedRelease
    let entry: VariantEntry
    let digest: Digest
    let size: ByteCount

    var documents: [Digest] { [release.indexDigest, entry.descriptor.digest] }
}

extension InstallPlan {
    /// The manifests of all chosen variants, the engine's last.
    var contents: [Digest] {
        variants.map(\.entry.descriptor.digest) + [engine?.entry, agent?.entry].compactMap { $0?.descriptor.digest }
    }
}
