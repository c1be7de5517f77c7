package import MartletTypes
package import Trust

/// The number of a generation on this device: rises, is never used twice.
package struct GenerationID: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    package let number: Int64

    package init(_ number: Int64) { self.number = number }

    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
    package var description: String { String(number) }

    package init(from decoder: any Decoder) throws {
        number = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}

/// One weight file of a generation, linked into its folder under the name that the engine expects.
package struct GenerationFile: Sendable, Hashable, Codable {
    /// What the file is to the engine.
    package enum Role: String, Sendable, Codable {
        /// The model, or an adapter's base; the first part where it is split.
        case weights
        /// A further part of a split model.
        case part
        /// An adapter.
        case adapter
        /// The agent's own program.
        case program
        /// The archive of an engine's build, which no generation's folder holds.
        case engine
    }

    package var role: Role
    /// The name of the link in the generation's folder.
    package var name: String
    package var digest: Digest
    package var size: ByteCount
    /// The scale of an adapter in thousandths.
    package var scalePermille: Int?

    package init(role: Role, name: String, digest: Digest, size: ByteCount, scalePermille: Int? = nil) {
        self.role = role
        self.name = name
        self.digest = digest
        self.size = size
        self.scalePermille = scalePermille
    }
}

/// An engine that came as a release and belongs to a generation: rolled out and rolled back with it.
package struct EngineBuild: Sendable, Hashable, Codable {
    /// The engine's name, e.g. `llama.cpp`.
    package var name: String
    /// The version of its release.
    package var version: SemanticVersion
    /// The archive.
    package var archive: Digest
    package var size: ByteCount
    /// Bytes that it takes unpacked.
    package var unpacked: ByteCount

    package init(name: String, version: SemanticVersion, archive: Digest, size: ByteCount, unpacked: ByteCount) {
        self.name = name
        self.version = version
        self.archive = archive
        self.size = size
        self.unpacked = unpacked
    }
}

/// All that the agent needs to start and judge one installed state of a slot, without registry and without journal.
package struct GenerationRecord: Sendable, Hashable, Codable {
    package var id: GenerationID
    package var slot: SlotName
    /// The slot's generation in the assignment that asked for it.
    package var assigned: Int64
    package var rollout: RolloutID?
    package var releases: [AssignedRelease]
    package var settings: SlotSettings
    package var engine: EngineRequirement
    /// The engine's own build; nil runs the one that the device has.
    package var build: EngineBuild?
    /// The variant's manifest of each release, in their order.
    package var variants: [Digest]
    package var files: [GenerationFile]
    /// Indexes and manifests, kept so that the same release installs again without a registry.
    package var documents: [Digest]
    package var probes: Digest?
    package var evaluation: Digest?
    package var threshold: EvaluationThreshold?
    package var chatTemplate: Digest?
    /// The model that serves.
    package var shape: ModelShape
    package var created: Timestamp

    package init(
        id: GenerationID, slot: SlotName, assigned: Int64, rollout: RolloutID?, releases: [AssignedRelease],
        settings: SlotSettings, engine: EngineRequirement, variants: [Digest], files: [GenerationFile],
        documents: [Digest], probes: Digest? = nil, evaluation: Digest? = nil, threshold: EvaluationThreshold? = nil,
        chatTemplate: Digest? = nil, shape: ModelShape, created: Timestamp, build: EngineBuild? = nil
    ) {
        self.build = build
        self.id = id
        self.slot = slot
        self.assigned = assigned
        self.rollout = rollout
        self.releases = releases
        self.settings = settings
        self.engine = engine
        self.variants = variants
        self.files = files
        self.documents = documents
        self.probes = probes
        self.evaluation = evaluation
        self.threshold = threshold
        self.chatTemplate = chatTemplate
        self.shape = shape
        self.created = created
    }

    /// All that is fetched for it to run, which must stay as it was fetched: its files and its engine's archive.
    package var content: [GenerationFile] {
        files
            + [build].compactMap(\.self).map {
                GenerationFile(role: .engine, name: $0.name, digest: $0.archive, size: $0.size)
            }
    }

    /// Every blob that it needs; collection spares these.
    package var blobs: Set<Digest> {
        Set(files.map(\.digest) + documents + [probes, evaluation, chatTemplate, build?.archive].compactMap(\.self))
    }

    /// Whether it is what `assignment` asks for, whichever number asked.
    package func isContent(of assignment: SlotAssignment) -> Bool {
        releases == assignment.releases && settings == assignment.settings
    }

    /// The releases' paths, for reports.
    package var paths: [ReleasePath] { releases.map(\.path) }
}
