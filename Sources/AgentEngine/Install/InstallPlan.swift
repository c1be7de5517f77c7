internal import AgentStore
internal import BundleFormat
package import MartletTypes

/// What an installation takes: made before the first byte is fetched. Reading what is on disk and fetching the whole
/// blob are the two ways there are; a third would be one more case of `Source`.
package struct InstallPlan: Sendable {
    /// How a blob comes to be on this device.
    enum Source: Sendable, Hashable {
        case present
        case full
    }

    /// One blob of the installation.
    struct Item: Sendable {
        let digest: Digest
        let size: ByteCount
        /// The repository that is asked for it: the release's own, whose manifest names the base's blobs too.
        let repository: RepositoryName
        let source: Source
        /// For messages.
        let of: String
    }

    let slot: SlotName
    let target: SlotTarget
    /// The variant of each release, in their order.
    let variants: [Variant]
    let items: [Item]
    /// Whether a generation on this device has the same content, checked and run before.
    package let isInstalled: Bool
    /// Bundles of model signatures that the owner demands, which the generation keeps.
    var signatures: [Digest] = []

    /// The engine that comes with the releases, where one does.
    var engine: EngineChoice?

    /// The agent's program, where the slot is the agent's own.
    var agent: AgentChoice?

    /// A release with its chosen variant.
    struct Variant: Sendable {
        let path: ReleasePath
        let entry: VariantEntry
        let manifest: VariantManifest
        let index: Digest
    }

    /// Every blob of the plan, documents included.
    package var blobs: [Digest] {
        items.map(\.digest) + variants.flatMap { [$0.index, $0.entry.descriptor.digest] } + signatures
            + (engine?.documents ?? []) + (agent?.documents ?? [])
    }

    /// Bytes that must come over the network, what is there of unfinished blobs not taken off.
    package var missing: ByteCount {
        items.filter { $0.source == .full }.reduce(.zero) { $0 + $1.size }
    }
}
